"""Finds policies, suites, trainers, recipes and what else packages offer, by entry point.

A package offers any of them by an entry point in its own `pyproject.toml`:

    [project.entry-points."wambench.policies"]
    my_policy = "my_package.policy:MyPolicy"

    [project.entry-points."wambench.suites"]
    my_suite = "my_package.suite:my_suite"        # a callable: my_suite(backend) -> Suite

    [project.entry-points."wambench.trainers"]
    my_policy = "my_package.train:MyTrainer"      # a class without arguments

    [project.entry-points."wambench.inspectors"]
    my_policy = "my_package.inspect:MyInspector"  # a class without arguments

    [project.entry-points."wambench.protocols"]
    my_protocol = "my_package.wire:MyProtocol"    # a class without arguments

    [project.entry-points."wambench.world_models"]
    my_model = "my_package.world:load"            # load(spec, checkpoint=..., device=...)

    [project.entry-points."wambench.recipes"]
    "my_policy.table1" = "my_package.recipes:Table1"  # a class without arguments

What wambench ships is registered in exactly this way. All but suites may also be named by file:
`path/to/file.py:Class`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from wambench.errors import PolicyError, UsageError, WambenchError
from wambench.inspector import Inspector
from wambench.protocol import Needs, Policy, Suite, SuiteSpec, Task
from wambench.recipe import Recipe
from wambench.trainer import Trainer
from wambench.wire import WireProtocol

POLICIES = "wambench.policies"
SUITES = "wambench.suites"
TRAINERS = "wambench.trainers"
INSPECTORS = "wambench.inspectors"
PROTOCOLS = "wambench.protocols"
WORLD_MODELS = "wambench.world_models"
RECIPES = "wambench.recipes"

REINSTALL = "Reinstall the package that offers it"
"""What to do where a plug-in cannot even be imported."""

_PLURALS = {
    "policy": "policies",
    "suite": "suites",
    "trainer": "trainers",
    "inspector": "inspectors",
    "protocol": "protocols",
    "recipe": "recipes",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A policy or suite that has been found but not loaded.

    Attributes:
        name: The name the user gave.
        target: `package.module:attribute`, or `/absolute/file.py:attribute`.
        distribution: `name version` of the package that offers it; empty for a file.
    """

    name: str
    target: str
    distribution: str = ""


@cache
def _entry_points(group: str) -> dict[str, list[Reference]]:
    """Name to the references that offer it: more than one is an error once it is asked for."""
    found: dict[str, list[Reference]] = {}
    for point in metadata.entry_points(group=group):
        offered_by = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        offers = found.setdefault(point.name, [])
        if all(other.target != point.value for other in offers):
            offers.append(Reference(point.name, point.value, offered_by))
    return dict(sorted(found.items()))


def policy_names() -> list[str]:
    """Names of all installed policies."""
    return list(_entry_points(POLICIES))


def suite_names() -> list[str]:
    """Names of all installed suites, aliases included."""
    return list(_entry_points(SUITES))


def trainer_names() -> list[str]:
    """Names of all installed trainers."""
    return list(_entry_points(TRAINERS))


def inspector_names() -> list[str]:
    """Names of all installed inspectors."""
    return list(_entry_points(INSPECTORS))


def protocol_names() -> list[str]:
    """Names of all installed network protocols."""
    return list(_entry_points(PROTOCOLS))


def recipe_names() -> list[str]:
    """Names of all installed recipes."""
    return list(_entry_points(RECIPES))


def find_policy(name: str) -> Reference:
    """Finds a policy by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("policy", name) or _find(POLICIES, "policy", name)


def find_trainer(name: str) -> Reference:
    """Finds a trainer by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("trainer", name) or _find(TRAINERS, "trainer", name)


def find_inspector(name: str) -> Reference:
    """Finds an inspector by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("inspector", name) or _find(INSPECTORS, "inspector", name)


def find_protocol(name: str) -> Reference:
    """Finds a network protocol by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("protocol", name) or _find(PROTOCOLS, "protocol", name)


def find_recipe(name: str) -> Reference:
    """Finds a recipe by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("recipe", name) or _find(RECIPES, "recipe", name)


def _in_file(kind: str, name: str) -> Reference | None:
    path, colon, attribute = name.rpartition(":")
    if not colon or not path.endswith(".py"):
        return None
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise UsageError(f"There is no {kind} file {path}.", "Check the path.")
    return Reference(name, f"{file}:{attribute}")


def find_world_model(name: str) -> Reference:
    """Finds a world model by entry-point name or by `path/to/file.py:Class`."""
    return _in_file("world model", name) or _find(WORLD_MODELS, "world model", name)


def find_suite(name: str) -> Reference:
    """Finds a suite by entry-point name."""
    return _find(SUITES, "suite", name)


def _find(group: str, kind: str, name: str) -> Reference:
    known = _entry_points(group)
    if name in known:
        if len(known[name]) > 1:
            packages = " and ".join(offer.distribution for offer in known[name])
            raise UsageError(
                f"Two packages offer the {kind} {name!r}: {packages}.", "Uninstall one of them."
            )
        return known[name][0]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    listed = (
        f"See `wambench list {_PLURALS[kind]}`."
        if kind in _PLURALS
        else f"Installed: {', '.join(known) or 'none'}."
    )
    hint = f"Did you mean {' or '.join(near)}?" if near else listed
    raise UsageError(f"There is no {kind} named {name!r}.", hint)


def load_target(target: str) -> Any:
    """Imports `package.module:attribute` or `/absolute/file.py:attribute`."""
    path, _, attribute = target.rpartition(":")
    if path.endswith(".py"):
        file = Path(path)
        module_name = f"wambench_file_{file.stem}"
        spec = importlib.util.spec_from_file_location(module_name, file)
        if spec is None or spec.loader is None:
            raise UsageError(f"{file} cannot be imported.", "It must be a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        if str(file.parent) not in sys.path:  # so that it can import its neighbours
            sys.path.append(str(file.parent))
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(path)
    try:
        return getattr(module, attribute)
    except AttributeError:
        public = [name for name in vars(module) if not name.startswith("_")]
        near = difflib.get_close_matches(attribute, public, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Check the name after the colon."
        raise UsageError(f"{path} has no {attribute!r}.", hint) from None


def load_suite(name: str, backend: str = "auto") -> Suite:
    """Builds a suite; works without its simulator being installed."""
    reference = find_suite(name)
    if backend not in ("auto", "official", "embedded"):
        raise UsageError(f"There is no backend {backend!r}.", "Use auto, official or embedded.")
    try:
        suite: Suite = load_target(reference.target)(backend)
    except WambenchError:
        raise
    except Exception as error:
        raise build_failure("Suite", reference, error, REINSTALL) from error
    if suite.spec.name not in suite_names():
        raise UsageError(
            f"Suite {name} calls itself {suite.spec.name!r}, which is no entry point.",
            "Its package must register it under that name.",
        )
    return suite


def load_trainer(reference: Reference) -> Trainer:
    """Builds a trainer as `Class()`.

    Raises:
        UsageError: It cannot be imported or built, or is no trainer.
    """
    trainer: Trainer = _built(
        "Trainer", reference, Trainer, "trainer", "`stages` and `train(request)`"
    )
    return trainer


def load_inspector(reference: Reference) -> Inspector:
    """Builds an inspector as `Class()`.

    Raises:
        UsageError: It cannot be imported or built, or is no inspector.
    """
    inspector: Inspector = _built(
        "Inspector",
        reference,
        Inspector,
        "inspector",
        "`diagnostics`, `inputs` and `inspect(request)`",
    )
    return inspector


def load_protocol(reference: Reference) -> WireProtocol:
    """Builds a network protocol as `Class()`.

    Raises:
        UsageError: It cannot be imported or built, or is no protocol.
    """
    protocol: WireProtocol = _built(
        "Protocol",
        reference,
        WireProtocol,
        "network protocol",
        "`default_port`, `mapping(spec, given)` and `serve(request)`",
    )
    return protocol


def load_recipe(reference: Reference) -> Recipe:
    """Builds a recipe as `Class()`.

    Raises:
        UsageError: It cannot be imported or built, or is no recipe.
    """
    recipe: Recipe = _built(
        "Recipe",
        reference,
        Recipe,
        "recipe",
        "`about`, `presets` and `plan(preset, budget, seeds)`",
    )
    return recipe


def _built(kind: str, reference: Reference, wanted: Any, noun: str, members: str) -> Any:
    """`Class()` of a reference, which must have the members of the protocol class `wanted`."""
    try:
        built = load_target(reference.target)()
    except WambenchError:
        raise
    except Exception as error:
        raise build_failure(kind, reference, error, REINSTALL) from error
    if not isinstance(built, wanted):
        raise UsageError(f"{reference.target} is no {noun}.", f"It needs {members}.")
    return built


def build_failure(
    kind: str, reference: Reference, error: BaseException, remedy: str
) -> PolicyError | UsageError:
    """An arbitrary exception from a plug-in as one line.

    Where a module is missing that an extra of the plug-in's package would bring, the remedy is to
    install that extra.
    """
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and (bringing := _extras(reference, error)):
        remedy = f"Install what it needs: pip install {' or '.join(bringing)}"
    error_type = PolicyError if kind == "Policy" else UsageError
    return error_type(
        f"{kind} {reference.name} could not be built: {type(error).__name__}: {text}.",
        f"{remedy}; WAMBENCH_DEBUG=1 shows the traceback.",
    )


def _extras(reference: Reference, error: ModuleNotFoundError) -> list[str]:
    """`'package[extra]'` for each extra that declares a project of the missing module's name."""
    package = reference.distribution.partition(" ")[0]
    if not package:  # a file
        return []
    module = (error.name or "").partition(".")[0]
    bringing = []
    for requirement in metadata.requires(package) or []:
        found = re.match(r"""([\w.-]+)[^;]*;.*\bextra *== *['"]([^'"]+)""", requirement)
        if found and found[1].lower() == module.lower():
            bringing.append(f"'{package}[{found[2]}]'")
    return bringing


def pick_task(suite: Suite, index: int) -> Task:
    """The task of that index, or a `UsageError` with the valid range."""
    tasks = suite.tasks()
    if not 0 <= index < len(tasks):
        raise UsageError(
            f"{suite.spec.name} has no task {index}; it has 0 to {len(tasks) - 1}.",
            f"See `wambench list tasks --suite {suite.spec.name}`.",
        )
    return tasks[index]


def find_task(suite: Suite, task: int | str) -> Task:
    """The task of that index or name."""
    if not isinstance(task, str):
        return pick_task(suite, task)
    names = {known.name: known for known in suite.tasks()}
    if task not in names:
        near = difflib.get_close_matches(task, names, n=3, cutoff=0.5)
        listed = f"See `wambench list tasks --suite {suite.spec.name}`."
        hint = f"Did you mean {' or '.join(near)}?" if near else listed
        raise UsageError(f"{suite.spec.name} has no task {task!r}.", hint)
    return names[task]


def build_policy(reference: Reference, spec: SuiteSpec, arguments: Mapping[str, Any]) -> Policy:
    """Builds a policy as `Class(spec, **arguments)`.

    Raises:
        UsageError: An argument the policy does not take.
        PolicyError: The policy cannot be imported or its constructor failed, for example because
            of a corrupt checkpoint.
    """
    try:
        factory = load_target(reference.target)
        _check_arguments(reference.name, factory, arguments)
        policy: Policy = factory(spec, **arguments)
    except WambenchError:
        raise
    except (Exception, SystemExit) as error:
        raise build_failure(
            "Policy", reference, error, "Check its arguments and checkpoint"
        ) from error
    _check_policy(reference.name, policy)
    return policy


def build_world_model(reference: Reference, spec: SuiteSpec, arguments: Mapping[str, Any]) -> Any:
    """Builds a world model as `factory(spec, **arguments)`; whoever plans with it checks it.

    Raises:
        UsageError: An argument it does not take, or it cannot be imported or built.
    """
    try:
        factory = load_target(reference.target)
        _check_arguments(reference.name, factory, arguments, "World model")
        return factory(spec, **arguments)
    except WambenchError:
        raise
    except Exception as error:
        raise build_failure(
            "World model", reference, error, "Check its arguments and checkpoint"
        ) from error


def _check_arguments(
    name: str, factory: Any, arguments: Mapping[str, Any], kind: str = "Policy"
) -> None:
    parameters = inspect.signature(factory).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    accepted = list(parameters)[1:]
    for argument in arguments:
        if argument not in accepted:
            near = difflib.get_close_matches(argument, accepted, n=2, cutoff=0.5)
            known = ", ".join(accepted) or "none"
            hint = f"Did you mean {' or '.join(near)}?" if near else f"It takes: {known}."
            raise UsageError(f"{kind} {name} takes no argument {argument!r}.", hint)


def _check_policy(name: str, policy: Policy) -> None:
    members = ("needs", "horizon", "execute", "check", "start", "act", "finish")
    missing = [member for member in members if not hasattr(policy, member)]
    if missing:
        raise PolicyError(
            f"Policy {name} lacks {', '.join(missing)}.",
            "Derive it from wambench.protocol.Policy.",
        )
    if not isinstance(policy.needs, Needs):
        raise PolicyError(
            f"The needs of policy {name} are {policy.needs!r}.", "They must be a Needs(...)."
        )
    for member in ("horizon", "execute"):
        value = getattr(policy, member)
        if not isinstance(value, int):
            raise PolicyError(f"{member} of policy {name} is {value!r}.", "It must be an integer.")
    if not 1 <= policy.execute <= policy.horizon:
        raise PolicyError(
            f"Policy {name} executes {policy.execute} of {policy.horizon} actions.",
            "`execute` must be at least 1 and at most `horizon`.",
        )
