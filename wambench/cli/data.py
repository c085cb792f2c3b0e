"""`wambench data`: looks at, converts and replays demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wambench.cli.collect import DemoBar
from wambench.cli.eval import EXIT_INTERRUPTED
from wambench.cli.options import parse_indices
from wambench.cli.terminal import console as make_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from wambench.demos.replay import Replayed
    from wambench.demos.summary import ActionStatistics, DataSummary

EXIT_DIFFERS = 1
"""Some demonstrations did not end as recorded."""

app = typer.Typer(
    help="Looks at, converts and replays demonstrations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Dataset = Annotated[
    str,
    typer.Argument(
        help="Folder or file of LIBERO HDF5, folder of a LeRobotDataset v3, or owner/name of one "
        "in the local Hugging Face cache."
    ),
]


@app.command("info")
def info(data: Dataset) -> None:
    """Prints what a dataset holds: tasks, outcomes, frames, cameras, actions, provenance."""
    from wambench.demos.dataset import open_source
    from wambench.demos.summary import summarise_data

    source = open_source(data)
    summary = summarise_data(source)
    console = make_console()
    console.print(_task_table(summary))
    console.print(_action_table(summary.actions))
    for name, value in _facts(summary).items():
        console.print(f"{name}: {value}", soft_wrap=True)
    for note in summary.notes:
        console.print(f"Note: {note}.", soft_wrap=True)
    if (source.path / "collection.json").exists():
        _print_missing(source.path, console)


def _print_missing(path: Path, console: Console) -> None:
    """Says what a collection that was interrupted lacks, and how it goes on."""
    from wambench.demos.collection import Collection

    collection = Collection(path)
    progress = collection.progress().values()
    missing = sum(task.missing for task in progress)
    if missing:
        left = any(
            task.missing and task.settled < collection.info.config.trials for task in progress
        )
        console.print(
            f"Incomplete: {missing} of {sum(task.wanted for task in progress)} demonstrations are "
            + (
                f"missing. Go on with: {collection.info.command}"
                if left
                else "missing, and all trials are spent."
            ),
            style="bold red",
            soft_wrap=True,
        )


@app.command("view")
def view(
    data: Dataset,
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: sheet.html in the folder).")
    ] = None,
    per_task: Annotated[int, typer.Option(help="Demonstrations shown of each task.")] = 3,
    tasks: Annotated[
        str | None, typer.Option(help="Task indices, for example 0,3,5-7 (default: all).")
    ] = None,
) -> None:
    """Writes a contact sheet: one HTML file with videos and action plots."""
    from wambench.demos.dataset import open_source
    from wambench.demos.sheet import write_sheet

    source = open_source(data)
    default = (source.path if source.path.is_dir() else source.path.parent) / "sheet.html"
    chosen = None if tasks is None else parse_indices(tasks)
    page = write_sheet(source, out or default, per_task=per_task, tasks=chosen)
    make_console().print(f"Contact sheet: {page}", soft_wrap=True)


@app.command("convert")
def convert_(
    data: Dataset,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    to: Annotated[
        Literal["lerobot", "hdf5"] | None,
        typer.Option(help="Format (default: the one that the dataset does not have)."),
    ] = None,
    cut_prologue: Annotated[
        bool,
        typer.Option(
            "--cut-prologue",
            help="Leave out the rows that are not to be imitated, which LeRobot cannot mark.",
        ),
    ] = False,
) -> None:
    """Converts LIBERO HDF5 into a LeRobotDataset v3 or back, without losing anything."""
    from wambench.demos.convert import convert

    made = convert(data, out, to, cut_prologue=cut_prologue)
    name = {"lerobot": "LeRobotDataset v3", "hdf5": "LIBERO HDF5"}[made]
    make_console().print(f"Wrote {out} as {name}.", soft_wrap=True)


@app.command("replay")
def replay_(
    data: Dataset,
    tasks: Annotated[
        str | None, typer.Option(help="Task indices, for example 0,3,5-7 (default: all).")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Simulator processes (default: one per core).")
    ] = None,
) -> None:
    """Executes recorded actions again from the recorded start, and compares how that ends.

    Exit codes: 0 every demonstration ended as recorded, 1 some ended otherwise, 2 the request
    cannot be carried out, 130 interrupted.
    """
    from wambench.demos.replay import by_task, replay
    from wambench.evaluate import Execution

    console = make_console()
    bar = DemoBar(console)
    try:
        execution = Execution(workers=workers, progress=bar)
        result = replay(data, execution, None if tasks is None else parse_indices(tasks))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        bar.close()
    console.print(_replay_table(by_task(result.demos)))
    for name, (then, now) in result.changed.items():
        console.print(f"Changed since the recording: {name} was {then}, is {now}.", soft_wrap=True)
    errors = [each.record for each in result.demos if each.record.error]
    for record in errors:
        console.print(f"{record.key}: {record.outcome}: {record.error}", soft_wrap=True)
    if not all(each.agrees for each in result.demos):
        raise typer.Exit(EXIT_DIFFERS)


def _replay_table(tasks: Mapping[tuple[str, int, str], Sequence[Replayed]]) -> Table:
    from rich.table import Table

    table = Table(title="Replay", title_justify="left")
    for header in ("task", "instruction"):
        table.add_column(header)
    for header in ("demonstrations", "succeeded", "succeed now", "same final state"):
        table.add_column(header, justify="right")

    def row(label: str, instruction: str, found: Sequence[Replayed]) -> None:
        table.add_row(
            label,
            instruction,
            str(len(found)),
            str(sum(bool(each.demo.success) for each in found)),
            str(sum(each.succeeded for each in found)),
            str(sum(each.same_end for each in found)),
        )

    for (_, index, instruction), found in tasks.items():
        row(str(index), instruction, found)
    table.add_section()
    row("all", "", [each for found in tasks.values() for each in found])
    return table


def _task_table(summary: DataSummary) -> Table:
    from rich.table import Table

    suites = ", ".join(sorted({task.suite for task in summary.tasks}))
    table = Table(title=f"{suites} ({summary.backend})", title_justify="left")
    for header in ("task", "instruction"):
        table.add_column(header)
    # Most data has no prologues, and the table is wide as it is.
    prologue = sum(task.prologue for task in summary.tasks)
    headers = ["demonstrations", "successes", "frames", *["prologue"] * (prologue > 0), "rows"]
    for header in headers:
        table.add_column(header, justify="right")
    for task in summary.tasks:
        table.add_row(
            "?" if task.task < 0 else str(task.task),
            task.instruction,
            str(task.demos),
            "?" if task.successes is None else str(task.successes),
            str(task.frames),
            *[str(task.prologue)] * (prologue > 0),
            f"{task.shortest} to {task.longest}",
        )
    known = [task.successes for task in summary.tasks if task.successes is not None]
    table.add_section()
    table.add_row(
        "all",
        "",
        str(sum(task.demos for task in summary.tasks)),
        str(sum(known)) if len(known) == len(summary.tasks) else "?",
        str(sum(task.frames for task in summary.tasks)),
        *[str(prologue)] * (prologue > 0),
        "",
    )
    return table


def _action_table(actions: ActionStatistics) -> Table:
    from rich.table import Table

    columns: dict[str, Any] = {
        "least": actions.low,
        "mean": actions.mean,
        "std": actions.std,
        "greatest": actions.high,
    }
    if actions.noise_std is not None:
        columns["std of noise"] = actions.noise_std
    # A row for each dimension: hands have 25 of them, which no terminal is wide enough for.
    table = Table("", title="Actions", title_justify="left")
    for name in columns:
        table.add_column(name, justify="right")
    for dimension, values in zip(actions.names, zip(*columns.values(), strict=True), strict=True):
        table.add_row(dimension, *(f"{value:.3f}" for value in values))
    return table


def _facts(summary: DataSummary) -> dict[str, str]:
    def listed(values: Any) -> str:
        return ", ".join(str(value) for value in values)

    facts = {
        "Backend": summary.backend,
        "Embodiment": f"{listed(summary.embodiments)} at "
        f"{', '.join(f'{hz:g}' for hz in summary.control_hz)} Hz",
        "Cameras": listed(f"{c} {h}x{w}" for c, (h, w) in summary.cameras.items()) or "none",
        "Noise": ", ".join(f"{level:g}" for level in summary.noise),
    }
    if prologue := sum(task.prologue for task in summary.tasks):
        facts["Prologue"] = (
            f"{prologue} of {sum(task.frames for task in summary.tasks)} rows come before the "
            "demonstrations begin; they are not imitated, nor in the table of actions"
        )
    if summary.trials is not None:
        demos = sum(task.demos for task in summary.tasks)
        facts["Trials"] = (
            f"{summary.trials['run']} run, {summary.trials['succeeded']} succeeded; "
            f"{demos} demonstrations were chosen from them"
        )
    for title, found in (("Made by", summary.about), ("On", summary.provenance)):
        if found:
            facts[title] = "; ".join(f"{name} {listed(values)}" for name, values in found.items())
    facts["Identity"] = summary.identity
    return facts
