"""`wambench list`: what can be evaluated on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from wambench import registry
from wambench.cli.terminal import console as make_console
from wambench.errors import RuntimeUnavailable, UsageError, WambenchError
from wambench.protocol import Suite
from wambench.runtimes import is_provisioned, version_problems


def list_(
    what: Annotated[
        Literal["suites", "policies", "trainers", "inspectors", "protocols", "recipes", "tasks"],
        typer.Argument(help="What to list."),
    ],
    suite: Annotated[str | None, typer.Option(help="The suite, for `tasks`.")] = None,
) -> None:
    """Lists suites, policies, trainers, and what else is installed, or the tasks of a suite."""
    console = make_console()
    if what == "suites":
        console.print(_suites())
    elif what == "policies":
        console.print(_policies())
    elif what == "trainers":
        console.print(_trainers())
    elif what == "inspectors":
        console.print(_inspectors())
    elif what == "protocols":
        console.print(_protocols())
    elif what == "recipes":
        console.print(_recipes())
    elif suite is None:
        raise UsageError("Tasks of which suite?", "Add --suite, for example libero_goal.")
    else:
        console.print(_tasks(suite))


def _suites() -> Table:
    table = Table("suite", "tasks", "embodiment", "action", "Hz", "cameras", "backend", "runtime")
    for name in registry.suite_names():
        try:
            suite = registry.load_suite(name)
        except WambenchError as error:
            table.add_row(name, "", "", "", "", "", "", Text(error.problem, style="red"))
            continue
        spec = suite.spec
        shown = name if name == spec.name else f"{name} (alias of {spec.name})"
        table.add_row(
            shown,
            str(len(suite.tasks())),
            spec.embodiment,
            f"{spec.action_dim}-D",
            f"{spec.control_hz:g}",
            _short(spec.cameras),
            spec.backend,
            _where(suite),
        )
    return table


def _where(suite: Suite) -> str:
    """Which interpreter runs the suite, or that there is none yet."""
    try:
        runtime = suite.runtime
    except RuntimeUnavailable:
        return "not set up"
    if not version_problems(runtime):
        return "this interpreter"
    return "provisioned" if is_provisioned(runtime) else "made on first use"


def _short(names: Sequence[str]) -> str:
    """The first two names, and how many more there are."""
    more = f" +{len(names) - 2}" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def _policies() -> Table:
    table = Table("policy", "target", "from")
    for name in registry.policy_names():
        reference = registry.find_policy(name)
        table.add_row(name, reference.target, reference.distribution)
    return table


def _trainers() -> Table:
    table = Table("trainer", "stage", "presets", "takes", "what comes out", "from")
    for name in registry.trainer_names():
        reference = registry.find_trainer(name)
        try:
            stages = registry.load_trainer(reference).stages
        except WambenchError as error:
            table.add_row(name, "", "", "", Text(error.problem, style="red"), "")
            continue
        for stage in stages:
            inputs = ", ".join(f"--{taken.name}" for taken in stage.inputs)
            presets = ", ".join(stage.presets)
            table.add_row(name, stage.name, presets, inputs, stage.about, reference.distribution)
    return table


def _inspectors() -> Table:
    table = Table("inspector", "diagnostic", "of stages", "takes", "what it measures", "from")
    for name in registry.inspector_names():
        reference = registry.find_inspector(name)
        try:
            inspector = registry.load_inspector(reference)
        except WambenchError as error:
            table.add_row(name, "", "", "", Text(error.problem, style="red"), "")
            continue
        inputs = ", ".join(f"--{taken.name}" for taken in inspector.inputs)
        for one in inspector.diagnostics:
            stages = ", ".join(one.stages)
            table.add_row(name, one.name, stages, inputs, one.about, reference.distribution)
    return table


def _protocols() -> Table:
    table = Table("protocol", "port", "target", "from")
    for name in registry.protocol_names():
        reference = registry.find_protocol(name)
        port = str(registry.load_protocol(reference).default_port)
        table.add_row(name, port, reference.target, reference.distribution)
    return table


def _recipes() -> Table:
    table = Table("recipe", "presets", "what it remakes", "from")
    for name in registry.recipe_names():
        reference = registry.find_recipe(name)
        try:
            recipe = registry.load_recipe(reference)
        except WambenchError as error:
            table.add_row(name, "", Text(error.problem, style="red"), "")
            continue
        table.add_row(name, ", ".join(recipe.presets), recipe.about, reference.distribution)
    return table


def _tasks(name: str) -> Table:
    suite = registry.load_suite(name)
    table = Table("task", "instruction", "max steps", "initial states")
    for task in suite.tasks():
        states = str(task.init_states) if task.init_states else "from seed"
        table.add_row(str(task.index), task.instruction, str(task.max_steps), states)
    return table
