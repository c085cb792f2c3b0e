"""`wambench leaderboard`: several runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wambench.cli.terminal import console as make_console


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    out: Annotated[Path, typer.Option(help="Folder for leaderboard.csv and leaderboard.png.")] = (
        Path("leaderboard")
    ),
    published: Annotated[
        bool, typer.Option(help="Show the papers' own numbers beside, marked as published.")
    ] = False,
) -> None:
    """Writes leaderboard.csv and leaderboard.png from measured runs.

    Published numbers are shown apart from the measured ones and never enter the CSV.
    """
    from wambench.report.leaderboard import print_leaderboard, write_leaderboard
    from wambench.report.leaderboard_rows import collect
    from wambench.report.published import published_rows
    from wambench.results.run import RunDirectory

    rows = collect([RunDirectory(path) for path in runs])
    suites = list(dict.fromkeys(row.suite for row in rows))
    reported = published_rows(suites) if published else []
    files = write_leaderboard(rows, reported, out)
    console = make_console()
    print_leaderboard(rows, reported, console)
    console.print("Wrote " + ", ".join(str(file) for file in files))
