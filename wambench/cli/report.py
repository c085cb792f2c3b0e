"""`wambench report`: the tables, page and plots of an existing run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wambench.cli.terminal import console as make_console


def report(
    run: Annotated[Path, typer.Argument(help="Run directory.")],
    inline_videos: Annotated[
        float,
        typer.Option(min=0, help="Most megabytes of failures' videos put into the page."),
    ] = 24.0,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write the run's plots for a paper: its rate to this file (.png, .pdf or .svg), "
            "the others beside it.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Prints the tables of a run and writes its report.html, from the files of the run alone."""
    from wambench.report.console import print_run
    from wambench.report.page import write_report
    from wambench.report.summary import summarise_run
    from wambench.results.run import RunDirectory

    if plot is not None:
        from wambench.report.plots.style import check_suffix

        check_suffix(plot)
    directory = RunDirectory(run)
    summary = summarise_run(directory)
    console = make_console()
    print_run(directory, summary, console)
    page = write_report(directory, summary, round(inline_videos * 1e6))
    console.print(f"Report: {page}", soft_wrap=True)
    if plot is not None:
        from wambench.report.leaderboard_rows import collect
        from wambench.report.plots.files import write_plots

        files, left_out = write_plots(collect([directory]), [], plot)
        for line in left_out:
            console.print(f"Not drawn: {line}", soft_wrap=True)
        for file in files:
            console.print(f"Wrote {file}", soft_wrap=True)
