"""`wambench setup`: runtimes and official assets."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from wambench import registry
from wambench.cli.terminal import console as make_console
from wambench.errors import UsageError, WambenchError
from wambench.protocol import Suite
from wambench.runtimes import install, provision, version_problems
from wambench.runtimes.policy import PolicyRuntime


def runtime_of_policy(name: str) -> PolicyRuntime | None:
    """The runtime of the policy of that name; None where it has none, or there is no such policy.

    Raises:
        WambenchError: The policy cannot be imported.
    """
    if name not in registry.policy_names():
        return None
    reference = registry.find_policy(name)
    try:
        policy = registry.load_target(reference.target)
    except Exception as error:
        raise registry.build_failure("Policy", reference, error, registry.REINSTALL) from error
    runtime: PolicyRuntime | None = getattr(policy, "runtime", None)
    return runtime


def suite_of_runtime(name: str, load: Callable[[str], Suite] = registry.load_suite) -> Suite:
    """A suite by its own name or by the name of its runtime, for example `libero`."""
    names = registry.suite_names()
    if name in names:
        return load(name)
    runtimes: dict[str, Suite] = {}
    for suite_name in names:
        # A suite that cannot be loaded must not keep the others from being set up.
        with contextlib.suppress(WambenchError):
            suite = load(suite_name)
            runtimes.setdefault(suite.runtime.name, suite)
    if name not in runtimes:
        known = ", ".join(sorted([*runtimes, *_policies_with_runtimes()]))
        raise UsageError(f"There is nothing to set up for {name!r}.", f"Known: {known}.")
    return runtimes[name]


def _policies_with_runtimes() -> list[str]:
    names = []
    for name in registry.policy_names():
        with contextlib.suppress(WambenchError):
            if runtime_of_policy(name):
                names.append(name)
    return names


def _embedded_if_any(name: str) -> Suite:
    """A suite on its embedded backend: what `setup` makes unless it is told of official things.

    Where the backends have runtimes of their own, `auto` would mean another one once the official
    backend is set up, and `--here` would put its packages into this interpreter.
    """
    try:
        return registry.load_suite(name, "embedded")
    except WambenchError:
        return registry.load_suite(name)


def setup(
    name: Annotated[
        str, typer.Argument(help="Runtime, suite or policy, for example libero or lerobot.")
    ],
    python: Annotated[
        Path | None,
        typer.Option(help="Interpreter to make a policy's runtime of (default: this one)."),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(help="Extra of a policy's package, for example smolvla; repeatable."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Upstream's repository, checked out: for suites that are no package, and for a "
            "policy's package in place of its release."
        ),
    ] = None,
    assets: Annotated[
        Path | None,
        typer.Option(help="Folder with the official assets; installs them from there."),
    ] = None,
    official: Annotated[
        bool, typer.Option(help="Download the official assets from the Hugging Face hub.")
    ] = False,
    here: Annotated[
        bool, typer.Option(help="Install into this interpreter, so that gymnasium.make works.")
    ] = False,
) -> None:
    """Installs what a suite or a policy needs: its runtime and, if asked, official assets."""
    console = make_console()

    def note(line: str) -> None:
        console.print(line, style="dim", soft_wrap=True)

    if policy_runtime := runtime_of_policy(name):
        if assets is not None or official or here:
            raise UsageError(
                f"{name} is a policy with a runtime of its own.",
                "Leave --assets, --official and --here out.",
            )
        place = policy_runtime.set_up(python, extra or [], source and source.expanduser(), note)
        console.print(f"{name}: runtime at {place}.", soft_wrap=True)
        return
    suite = suite_of_runtime(name, _embedded_if_any)
    if python is not None or extra:
        raise UsageError(
            f"{name} is a suite; its runtime has a closed list of packages.",
            "Leave --python and --extra out.",
        )
    if source is not None:
        _install_official(name, suite, source, assets, note)
        return
    runtime = suite.runtime
    if not version_problems(runtime):
        console.print(f"{runtime.name}: this interpreter has the pinned versions.", soft_wrap=True)
    elif here:
        install(runtime, Path(sys.executable), note)
        console.print(f"{runtime.name}: installed into {sys.executable}.", soft_wrap=True)
    else:
        python = provision(runtime, note)
        console.print(f"{runtime.name}: runtime at {python}.", soft_wrap=True)
    if assets is not None or official:
        installer = getattr(suite, "install_assets", None)
        if installer is None and hasattr(suite, "install_official"):
            raise UsageError(
                f"{name} needs upstream's repository as well as its assets.",
                f"Run `wambench setup {name} --source PATH --assets PATH`.",
            )
        if installer is None:
            raise UsageError(f"{name} has no separate assets.", "Leave --assets out.")
        console.print(f"{runtime.name}: official assets at {installer(assets)}.", soft_wrap=True)


def _install_official(
    name: str, suite: Suite, source: Path, assets: Path | None, note: Callable[[str], None]
) -> None:
    """Installs an official backend from upstream's repository and assets."""
    installer = getattr(suite, "install_official", None)
    if installer is None:
        raise UsageError(f"{name} is not installed from a repository.", "Leave --source out.")
    place = installer(source.expanduser(), assets and assets.expanduser(), note)
    make_console().print(f"{name}: official backend at {place}.", soft_wrap=True)
