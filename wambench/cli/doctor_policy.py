"""`wambench doctor policy`: does a policy fit its suite, and if not, what is the matter?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from wambench import registry
from wambench.cli.inputs import expanded
from wambench.cli.options import CheckpointOption, PolicyArgOption, parse_tasks, policy_arguments
from wambench.cli.terminal import console as make_console
from wambench.cli.terminal import live_lines
from wambench.errors import UsageError

if TYPE_CHECKING:
    from wambench.diagnose.search import Diagnosis
    from wambench.protocol import Policy, Suite

_RECORDED_TASKS = 8
"""Tasks of which a demonstration is recorded where none are given."""


def doctor_policy(
    policy: Annotated[str, typer.Option(help="Policy by name, or path/to/file.py:Class.")],
    suite: Annotated[str, typer.Option(help="Suite by name.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Successful demonstrations of the suite; several may follow (default: the suite's "
            "expert is recorded now, at the policy's cameras and sizes)."
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help=f"Tasks to record (default: {_RECORDED_TASKS}, evenly chosen)."),
    ] = None,
    places: Annotated[
        int, typer.Option(min=8, help="At how many places of demonstrations it is asked.")
    ] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Decides which places.")] = 0,
    backend: Annotated[
        Literal["auto", "official", "embedded"], typer.Option(help="Official or embedded assets.")
    ] = "auto",
    checkpoint: CheckpointOption = None,
    policy_arg: PolicyArgOption = None,
) -> None:
    """Asks a policy at places of demonstrations, and tries the usual mistakes.

    What the policy would do is compared with what the demonstrator did; then pictures are flipped,
    colours exchanged, the gripper's sign turned and so on, to see what makes the difference vanish.
    It is for the checkpoint that scored 90 % elsewhere and scores nothing here; docs/pitfalls.md
    has what it cannot see. Exit codes: 0 it follows the demonstrations and nothing helps, 1
    something is wrong, 2 the request cannot be carried out.
    """
    console = make_console()
    loaded = registry.load_suite(suite, backend)
    built = _build(policy, loaded, policy_arguments(checkpoint, policy_arg))
    from wambench.diagnose.moments import take_moments
    from wambench.diagnose.search import diagnose

    def note(line: str) -> None:
        console.print(line, style="dim", soft_wrap=True)

    with tempfile.TemporaryDirectory() as folder:
        paths: Sequence[str | Path]
        if data:
            if tasks is not None:
                raise UsageError("--tasks says what to record, and --data is given.", "Leave one.")
            paths = expanded(data)
        else:
            paths = [_record(loaded, built, tasks, seed, Path(folder) / "data", note)]
        moments = take_moments(
            paths, loaded.spec, built.needs, built.execute, count=places, seed=seed
        )
        for line in moments.notes:
            note(line)
        with live_lines(console) as update:
            found = diagnose(built, loaded.spec, moments, update)
    _tell(console, found, policy)
    if found.found or not _follows(found):
        raise typer.Exit(1)


def _build(name: str, suite: Suite, arguments: dict[str, Any]) -> Policy:
    from wambench.evaluate import check_cameras

    built = registry.build_policy(registry.find_policy(name), suite.spec, arguments)
    if built.needs.privileged:
        raise UsageError(
            f"Policy {name} looks at the simulator itself; there is nothing to mistake.",
            "`wambench eval` runs it.",
        )
    if built.needs.subgoals:
        raise UsageError(
            f"Policy {name} is shown subgoals, which recorded demonstrations do not have.",
            "Look at its parts: the policy that proposes actions, for example.",
        )
    check_cameras(built, name, suite)
    return built


def _record(
    suite: Suite, policy: Policy, tasks: str | None, seed: int, out: Path, note: Any
) -> Path:
    """A demonstration of each of some tasks, by the suite's expert."""
    from wambench.demos.collect import CollectRequest, collect
    from wambench.evaluate import Execution, Silent

    class Notes(Silent):
        def note(self, line: str) -> None:
            note(line)

    if tasks is None:
        total = len(suite.tasks())
        count = min(_RECORDED_TASKS, total)
        chosen = [index * total // count for index in range(count)]
    else:
        chosen = parse_tasks(tasks, suite.spec.name, suite.spec.backend)
    request = CollectRequest(
        policy="expert",
        suite=suite.spec.name,
        out=out,
        episodes=1,
        backend=suite.spec.backend,
        seed=seed,
        tasks=chosen,
        cameras=policy.needs.cameras,
        image_size=max(policy.needs.image_size),
        success_only=True,
    )
    note(f"Recording {len(chosen)} demonstrations; --data takes some that are there.")
    collect(request, Execution(progress=Notes()))
    return out


def _follows(found: Diagnosis) -> bool:
    from wambench.diagnose.search import FOLLOWS

    return found.mended <= FOLLOWS


def _tell(console: Console, found: Diagnosis, name: str) -> None:
    table = Table(box=None, pad_edge=False, title=None)
    table.add_column("action")
    table.add_column("error", justify="right")
    table.add_column("correlation", justify="right")
    for dimension, error, related in zip(
        found.names, found.errors, found.correlations, strict=True
    ):
        table.add_row(dimension, f"{error:.2f}", f"{related:+.2f}")
    table.add_row("all", f"{found.total:.2f}", "")
    places, demos = found.places
    console.print(
        f"\n{name} at {places} places of {demos} demonstrations. Errors are relative: 0 does what "
        "the demonstrator did, 1 is no better than doing the same thing everywhere.",
        soft_wrap=True,
    )
    console.print(table)
    if found.still:
        console.print(f"Never moved by the demonstrator: {', '.join(found.still)}.", soft_wrap=True)

    console.print("\nWhat changes help (error of the dimensions that each concerns):")
    table = Table(box=None, pad_edge=False)
    table.add_column("if")
    table.add_column("as it is", justify="right")
    table.add_column("changed", justify="right")
    table.add_column("")
    for trial in found.trials:
        mark = "helps" if trial.counts else ""
        table.add_row(trial.mistake.name, f"{trial.before:.2f}", f"{trial.after:.2f}", mark)
    console.print(table)

    console.print("\nWhat it looks at (error when shown another place's):")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("right", justify="right")
    table.add_column("another's", justify="right")
    table.add_column("")
    for reliance in found.reliance:
        table.add_row(
            reliance.what,
            f"{reliance.before:.2f}",
            f"{reliance.after:.2f}",
            "" if reliance.used else "makes no difference",
        )
    console.print(table)
    console.print()
    _verdict(console, found)


def _verdict(console: Console, found: Diagnosis) -> None:
    if found.found:
        console.print("Something is wrong:", style="bold red")
        for trial in found.found:
            console.print(
                f"- {trial.mistake.name}: mended, the error of what it concerns falls from "
                f"{trial.before:.2f} to {trial.after:.2f}.\n  -> {trial.mistake.remedy}",
                soft_wrap=True,
            )
        console.print(
            f"All together the error falls from {found.total:.2f} to {found.mended:.2f}.",
            soft_wrap=True,
        )
        if _follows(found):
            return
        console.print("That is not all: it still does not follow the demonstrations.", style="red")
        return
    if _follows(found):
        console.print(
            "It follows the demonstrations, and no change that was tried helps.", style="bold green"
        )
        return
    console.print(
        "It does not follow these demonstrations, and no change that was tried helps.",
        style="bold red",
    )
    unused = [reliance.what for reliance in found.reliance if not reliance.used]
    hints = (
        "It may be of another robot or suite, hardly trained, or normalised by other statistics."
    )
    if "pictures" in unused:
        hints = "Its answers do not depend on the pictures: look at what its network is given."
    console.print(f"  -> {hints} See docs/pitfalls.md.", soft_wrap=True)
