"""Several runs beside each other: `leaderboard.csv`, `leaderboard.png` and tables on the screen.

A row is a run. Rows stand under one heading only when suite and backend are the same: results on
embedded models say nothing about official ones. Numbers that papers report are shown beside the
official backend as context, look different, and never enter the CSV.

Non-obvious behaviours
    - Rows under one heading may have run different episodes (other seeds, fewer tasks). The
      manifest column says which did; only runs with equal manifests can be compared pairwise.
    - A run in which nothing counts has no rate, and [0, 1] as its interval.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wambench.errors import RunDirectoryError
from wambench.report.console import format_errors, format_rate
from wambench.report.leaderboard_plot import draw_leaderboard
from wambench.report.leaderboard_rows import Row, panels_of
from wambench.report.published import PublishedRow


def write_leaderboard(
    rows: Sequence[Row], reported: Sequence[PublishedRow], out: Path
) -> list[Path]:
    """Writes `leaderboard.csv` (measured rows only) and `leaderboard.png`.

    Args:
        rows: As `collect` returns them.
        reported: Published rows for the plot; may be empty.
        out: Folder; made if need be.

    Returns:
        The two files.

    Raises:
        RunDirectoryError: The folder cannot be written.
    """
    table = pd.DataFrame([row.cells() for row in rows])
    picture = io.BytesIO()
    draw_leaderboard(rows, reported).savefig(picture, format="png", dpi=150)
    files = {
        out / "leaderboard.csv": table.to_csv(index=False, lineterminator="\n").encode(),
        out / "leaderboard.png": picture.getvalue(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            file.write_bytes(content)
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot write the leaderboard to {out}: {error.strerror}.",
            "Choose an --out that you may write to and that has space.",
        ) from None
    return list(files)


def print_leaderboard(
    rows: Sequence[Row], reported: Sequence[PublishedRow], console: Console
) -> None:
    """Prints a table per suite and backend, then the published numbers under their own title.

    The tables fit 80 columns.
    """
    for panel in panels_of(rows, reported):
        notes = ["Success rate with Wilson 95 % interval. Steps: mean over successes."]
        if panel.several_manifests:
            notes.append("Different manifests: the rows ran different episodes.")
        _print_table(console, f"Measured · {panel.title}", _measured_table(panel.rows), notes)
    if reported:
        notes = ["Success rates in % on official assets, as reported; for context only."]
        notes += dict.fromkeys(f"{r.method} ({r.source}): {r.note}" for r in reported if r.note)
        title = "Published by the papers, not measured here"
        _print_table(console, title, _published_table(reported), notes)


def _print_table(console: Console, title: str, table: Table, notes: Sequence[str]) -> None:
    console.print(Text(title, style="bold"))
    console.print(table)
    for note in notes:
        console.print(Text(note, style="italic dim"))
    console.print()


def _measured_table(rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("policy", overflow="fold", min_width=16)
    table.add_column("success", justify="right", no_wrap=True)
    table.add_column("rate [95 % CI]", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("s/ep.", justify="right", no_wrap=True)
    table.add_column("manifest", no_wrap=True)
    for row in rows:
        summary = row.summary
        policy = Text.assemble((row.policy, "bold"))
        if row.policy_arguments:
            policy.append(f"\n{row.policy_arguments}", style="dim")
        policy.append(f"\nseed {row.seed}", style="dim")
        for mark in row.marks:
            policy.append(f"\n{mark}", style="yellow")
        if errors := format_errors(summary):
            policy.append(f"\n{errors}", style="red")
        table.add_row(
            policy,
            f"{summary.successes}/{summary.trials}",
            format_rate(summary),
            "-" if summary.mean_steps is None else f"{summary.mean_steps:.0f}",
            "-" if row.mean_seconds is None else f"{row.mean_seconds:.2f}",
            row.manifest,
        )
    return table


def _published_table(reported: Sequence[PublishedRow]) -> Table:
    """Methods down, suites across, as in the papers."""
    suites = list(dict.fromkeys(row.suite for row in reported))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("method")
    for suite in suites:
        table.add_column(suite.replace("_", "\n", 1), justify="right")
    for source, of_source in groupby(reported, key=lambda row: row.source):
        table.add_row(Text(source, style="italic"))
        for method, of_method in groupby(of_source, key=lambda row: row.method):
            rates = {row.suite: f"{100 * row.success_rate:.1f}" for row in of_method}
            table.add_row(Text(f"  {method}"), *(rates.get(suite, "-") for suite in suites))
    return table
