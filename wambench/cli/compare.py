"""`wambench compare`: which policy is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from wambench.cli.terminal import console as make_console


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, two or more.")],
    level: Annotated[
        float, typer.Option(help="Confidence of the intervals; 1 minus it is that of the tests.")
    ] = 0.95,
    unpaired: Annotated[
        bool,
        typer.Option(help="Compare totals of runs on different episodes of the same tasks."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON instead of tables.")
    ] = False,
) -> None:
    """Compares policies by their runs: rates, differences, intervals and tests.

    Runs of the same episodes are compared in pairs. Runs of one policy with different seeds are
    taken together when there is another policy.
    """
    from wambench.compare import compare_runs
    from wambench.report.comparison import print_comparison
    from wambench.results.run import RunDirectory

    directories = [RunDirectory(path) for path in runs]
    comparison = compare_runs(directories, confidence=level, unpaired=unpaired)
    if as_json:
        typer.echo(json.dumps(comparison.to_json(), indent=2))
    else:
        print_comparison(comparison, make_console())
