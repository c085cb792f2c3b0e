"""`wambench leaderboard --html`: the leaderboard as one self-contained page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from wambench.report.html import write_page
from wambench.report.leaderboard_rows import BACKENDS, Panel, Row, panels_of
from wambench.report.outcomes import LABELS, outcome_parts
from wambench.report.plots.files import pictures
from wambench.report.published import PublishedRow


def write_leaderboard_page(
    rows: Sequence[Row], reported: Sequence[PublishedRow], path: Path
) -> Path:
    """Writes the page and returns its path.

    Every suite on every backend has a table of its own; published numbers have theirs at the end.

    Args:
        rows: As `wambench.report.leaderboard_rows.collect` returns them.
        reported: Published rows; may be empty.
        path: The file.

    Raises:
        RunDirectoryError: The file cannot be written.
    """
    panels = panels_of(rows)
    return write_page(
        path,
        "leaderboard.html.j2",
        backends=[
            (backend, of_backend)
            for backend in BACKENDS
            if (of_backend := [panel for panel in panels if panel.backend == backend])
        ],
        suites=list(dict.fromkeys(row.suite for row in rows)),
        policies=sorted({row.policy for row in rows}),
        anchor=_anchor,
        published=_published_tables(reported),
        pictures=pictures(rows, reported),
        parts=outcome_parts,
        labels=LABELS,
        occurring=[
            name
            for name in LABELS
            if any(part.name == name for row in rows for part in outcome_parts(row.summary))
        ],
        report_of=lambda row: _report_link(row, path),
    )


def _anchor(panel: Panel) -> str:
    return f"{panel.suite}-{panel.backend}"


def _report_link(row: Row, page: Path) -> str | None:
    """Relative address of the run's own page, where there is one."""
    report = row.run / "report.html"
    if not report.is_file():
        return None
    return quote(Path(os.path.relpath(report.resolve(), page.parent.resolve())).as_posix())


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """What one source reports.

    Attributes:
        source: Paper and table.
        suites: Its columns.
        rates: Method to suite to success rate.
        notes: What has to be known, with the method it is about.
    """

    source: str
    suites: list[str]
    rates: dict[str, dict[str, float]]
    notes: list[str]


def _published_tables(reported: Sequence[PublishedRow]) -> list[PublishedTable]:
    tables = []
    for source, group in groupby(reported, key=lambda row: row.source):
        of_source = list(group)
        rates: dict[str, dict[str, float]] = {}
        for row in of_source:
            rates.setdefault(row.method, {})[row.suite] = row.success_rate
        notes = list(dict.fromkeys(f"{row.method}: {row.note}" for row in of_source if row.note))
        suites = list(dict.fromkeys(row.suite for row in of_source))
        tables.append(PublishedTable(source, suites, rates, notes))
    return tables
