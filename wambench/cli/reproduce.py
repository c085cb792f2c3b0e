"""`wambench reproduce`: a paper's table, from demonstrations to intervals."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wambench.cli.eval import EXIT_INTERRUPTED
from wambench.cli.options import parse_settings
from wambench.cli.terminal import console as make_console
from wambench.cli.terminal import live_lines


def reproduce(
    recipe: Annotated[
        str, typer.Argument(help="See `wambench list recipes`, or path/to/file.py:Class.")
    ],
    preset: Annotated[str, typer.Option(help="Scale of the reproduction.")] = "tiny",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each method, seeds 0, 1 …")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of everything that is made (default: reproduced/RECIPE)."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=NUMBER of the budget, e.g. trials=5; see --plan."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes of a step (default: one per core).")
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            min=1, help="Steps at the same time, where neither needs the other; they share cores."
        ),
    ] = 1,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print budget and commands, and do nothing.")
    ] = False,
) -> None:
    """Remakes a table of a paper: collects, trains and evaluates what is missing, then prints it.

    Each step is a wambench command of its own, printed before it runs. It may be stopped at any
    time; the same command goes on.
    """
    from wambench import registry
    from wambench.report.reproduction import contrasts, estimates, print_reproduction, write_csv
    from wambench.reproduce import carry_out, chosen_budget, command_line

    console = make_console()
    made_by = registry.load_recipe(registry.find_recipe(recipe))
    budget = chosen_budget(made_by, preset, parse_settings(set_ or [], "--set"))
    planned = made_by.plan(preset, budget, range(seeds))
    if plan:
        console.print(made_by.about, soft_wrap=True)
        console.print("Budget: " + ", ".join(f"{name}={n}" for name, n in budget.items()))
        for step in planned.steps:
            console.print(command_line(step), soft_wrap=True, highlight=False, markup=False)
        return
    folder = out or Path("reproduced") / recipe
    # Ending a job by SIGTERM, as clusters do, lets the step save what it has as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with live_lines(console) as update:
            carry_out(planned, folder, _Told(console, update), jobs=jobs, workers=workers)
    except KeyboardInterrupt:
        console.print("Interrupted; the same command goes on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    table, compared = estimates(planned, folder), contrasts(planned, folder)
    print_reproduction(f"{recipe.rpartition(':')[2]} · preset {preset}", table, compared, console)
    console.print(f"Wrote {write_csv(table, folder / 'table.csv')}", soft_wrap=True)


class _Told:
    """Prints steps, and below them, on a terminal, what those say that are being carried out."""

    def __init__(self, console: Console, update: Callable[[str], None]) -> None:
        self._console, self._update = console, update

    def tell(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def show(self, says: Mapping[str, str]) -> None:
        width = max(map(len, says))
        lines = (
            f"{name:{width}}  {line}"[: self._console.width - 3] for name, line in says.items()
        )
        self._update("\n  ".join(lines))  # the first one comes behind a spinner
