"""`wambench report`: the table and page of an existing run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wambench.cli.terminal import console as make_console


def report(run: Annotated[Path, typer.Argument(help="Run directory.")]) -> None:
    """Prints the table of a run and writes its report.html, from the files of the run alone."""
    from wambench.report.console import print_run
    from wambench.report.page import write_report
    from wambench.report.summary import summarise_run
    from wambench.results.run import RunDirectory

    directory = RunDirectory(run)
    summary = summarise_run(directory)
    console = make_console()
    print_run(directory, summary, console)
    console.print(f"Report: {write_report(directory, summary)}", soft_wrap=True)
