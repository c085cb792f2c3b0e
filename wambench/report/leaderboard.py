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
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wambench.errors import RunDirectoryError, UsageError
from wambench.protocol import Backend
from wambench.report.console import format_errors, format_rate
from wambench.report.published import PublishedRow
from wambench.report.summary import ERROR_OUTCOMES, Summary, summarise_run
from wambench.results.run import RunDirectory

HASH_DIGITS = 12
"""How much of a hash is shown: enough to tell runs apart, short enough for a column."""

PUBLISHED = "published, official assets"

_BACKENDS: tuple[Backend, ...] = ("official", "embedded")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured run.

    Attributes:
        suite: Name of the suite.
        backend: Its backend; with the suite, the heading the row belongs under.
        policy: Name of the policy.
        policy_arguments: Its arguments as `name=value, name=value`.
        seed: Seed of the run.
        summary: Successes, interval, steps, errors and seconds over all its episodes.
        privileged: Whether the policy looked at the simulator's state.
        unpinned: Whether simulator versions other than the pinned ones were used.
        manifest: First digits of the manifest's hash.
        wambench: Version that ran it.
        simulator: Versions and asset hashes that the suite recorded.
        run: The run directory, as it was named.
    """

    suite: str
    backend: Backend
    policy: str
    policy_arguments: str
    seed: int
    summary: Summary
    privileged: bool
    unpinned: bool
    manifest: str
    wambench: str
    simulator: str
    run: Path

    @property
    def mean_seconds(self) -> float | None:
        """Mean wall seconds per recorded episode; None when there is none."""
        recorded = self.summary.planned - self.summary.unfinished
        return self.summary.seconds.total / recorded if recorded else None

    @property
    def marks(self) -> list[str]:
        """What sets the row apart from a plain, complete result."""
        marks = []
        if self.privileged:
            marks.append("privileged state")
        if not self.summary.complete:
            marks.append(f"incomplete: {self.summary.trials} of {self.summary.planned}")
        if self.unpinned:
            marks.append("unpinned versions")
        return marks

    def cells(self) -> dict[str, Any]:
        """The row of `leaderboard.csv`: column to value."""
        summary = self.summary
        low, high = summary.interval
        return {
            "suite": self.suite,
            "backend": self.backend,
            "policy": self.policy,
            "policy_arguments": self.policy_arguments,
            "seed": self.seed,
            "trials": summary.trials,
            "planned": summary.planned,
            "successes": summary.successes,
            "success_rate": summary.rate,
            "ci_low": low,
            "ci_high": high,
            "mean_steps": summary.mean_steps,
            **{outcome: summary.errors.get(outcome, 0) for outcome in ERROR_OUTCOMES},
            "not_run": summary.unfinished,
            "privileged": self.privileged,
            "unpinned": self.unpinned,
            "complete": summary.complete,
            "manifest": self.manifest,
            "wambench": self.wambench,
            "simulator": self.simulator,
            "mean_seconds_per_episode": self.mean_seconds,
            "run": self.run.as_posix(),
        }


def collect(runs: Sequence[RunDirectory]) -> list[Row]:
    """One row per run, by suite, then backend (official first), then falling rate.

    Raises:
        UsageError: No run is given, or one is given twice.
        RunDirectoryError: A run cannot be read, or its episodes are not of the suite and backend
            that its `run.json` names.
    """
    if not runs:
        raise UsageError("A leaderboard needs at least one run.", "Name run directories.")
    seen: set[Path] = set()
    for run in runs:
        folder = run.path.resolve()
        if folder in seen:
            raise UsageError(
                f"The run {run.path} is given twice.", "Name every run directory once."
            )
        seen.add(folder)
    return sorted((_row(run) for run in runs), key=_rank)


def _row(run: RunDirectory) -> Row:
    info, config = run.info, run.info.config
    for episode in run.manifest.episodes:
        if (episode.suite, episode.backend) != (config.suite, config.backend):
            raise RunDirectoryError(
                f"run.json in {run.path} names {config.suite} ({config.backend}) but its episodes "
                f"are of {episode.suite} ({episode.backend}).",
                "It was edited or damaged.",
            )
    provenance = info.provenance
    return Row(
        suite=config.suite,
        backend=config.backend,
        policy=config.policy,
        policy_arguments=", ".join(f"{k}={v}" for k, v in sorted(config.policy_arguments.items())),
        seed=config.seed,
        summary=summarise_run(run).suite,
        privileged=info.privileged,
        # What the first worker found; a run that never had one has only what was allowed.
        unpinned=bool(provenance.get("unpinned", config.allow_unpinned)),
        manifest=info.manifest[:HASH_DIGITS],
        wambench=str(provenance.get("wambench", "")),
        simulator=", ".join(
            f"{name} {_shorten_hash(str(value))}"
            for name, value in sorted((provenance.get("suite") or {}).items())
        ),
        run=run.path,
    )


def _shorten_hash(value: str) -> str:
    is_hash = len(value) >= 32 and all(digit in "0123456789abcdef" for digit in value)
    return value[:HASH_DIGITS] if is_hash else value


def _rank(row: Row) -> tuple[Any, ...]:
    """Sorts rows; what follows the rate only makes ties repeatable."""
    rate = -1.0 if row.summary.rate is None else row.summary.rate
    tie = (row.policy, row.policy_arguments, row.seed, row.run.as_posix())
    return (row.suite, _BACKENDS.index(row.backend), -rate, *tie)


@dataclass(frozen=True, slots=True)
class _Panel:
    """What stands under one heading.

    Attributes:
        suite: Name of the suite.
        backend: The backend.
        rows: Its measured runs, best first.
        reported: Published rows shown in a part of their own; empty where they stand elsewhere.
    """

    suite: str
    backend: Backend
    rows: list[Row]
    reported: list[PublishedRow]

    @property
    def title(self) -> str:
        return f"{self.suite} · backend {self.backend}"

    @property
    def several_manifests(self) -> bool:
        return len({row.manifest for row in self.rows}) > 1


def _panels(rows: Sequence[Row], reported: Sequence[PublishedRow]) -> list[_Panel]:
    """One panel per (suite, backend); published rows go to the official one where there is one."""
    panels: list[_Panel] = []
    for (suite, backend), group in groupby(rows, key=lambda row: (row.suite, row.backend)):
        shown_already = any(panel.suite == suite for panel in panels)  # official comes first
        published = [] if shown_already else [row for row in reported if row.suite == suite]
        panels.append(_Panel(suite, backend, list(group), published))
    return panels


# ---- files -----------------------------------------------------------------------------------


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


# ---- plot ------------------------------------------------------------------------------------

_MEASURED_COLOUR = "#2f6f9f"
_PRIVILEGED_COLOUR = "#c9822b"
_PUBLISHED_COLOUR = "#8a8f98"
_INK = "#22313f"
_FAINT = "#5d6873"
_MARK = "#a33b20"

# Everything is placed in inches, so that text keeps its room whatever the number of rows.
_BARS, _RIGHT = 4.2, 1.25
"""Widths of bars and values of a panel; that of the labels depends on them."""
_TITLE, _AXIS = 0.45, 0.6
"""Heights above and below the bars of a panel."""
_LEGEND = 0.5
_BAR = 0.2
_LINE = 0.125
"""Height of a line of small text."""
_PUBLISHED_ROW = 0.17
_GAP = 0.12


def draw_leaderboard(rows: Sequence[Row], reported: Sequence[PublishedRow]) -> Figure:
    """One panel per suite and backend: measured runs, and below a line what papers report."""
    panels = _panels(rows, reported)
    grid = _arrange(panels)
    lines = [max(_panel_height(panel) for panel in line if panel) for line in grid]
    labels = max(_label_width(panel) for panel in panels)
    panel_width = labels + _BARS + _RIGHT
    width = panel_width * len(grid[0])
    height = sum(lines) + (_TITLE + _AXIS) * len(grid) + _LEGEND
    figure = Figure(figsize=(width, height))
    top = 0.0
    for line, line_height in zip(grid, lines, strict=True):
        for column, panel in enumerate(line):
            if panel is not None:
                tall = _panel_height(panel)
                left, bottom = column * panel_width + labels, height - top - _TITLE - tall
                box = (left / width, bottom / height, _BARS / width, tall / height)
                _draw_panel(figure.add_axes(box), panel, labels)
        top += _TITLE + line_height + _AXIS
    figure.legend(
        handles=_legend(rows, reported=any(panel.reported for panel in panels)),
        loc="lower center",
        ncols=2 * len(grid[0]),
        frameon=False,
        fontsize=7.5,
        labelcolor=_INK,
    )
    return figure


def _arrange(panels: Sequence[_Panel]) -> list[list[_Panel | None]]:
    """Official left and embedded right, a line per suite; else two suites per line."""
    if len({panel.backend for panel in panels}) == 2:
        place = {(panel.suite, panel.backend): panel for panel in panels}
        suites = dict.fromkeys(panel.suite for panel in panels)
        return [[place.get((suite, backend)) for backend in _BACKENDS] for suite in suites]
    if len(panels) == 1:
        return [list(panels)]
    padded = [*panels, *[None] * (len(panels) % 2)]
    return [list(padded[i : i + 2]) for i in range(0, len(padded), 2)]


def _details(row: Row, name_manifest: bool) -> list[str]:
    """Lines of small text under a policy's name, without its marks."""
    manifest = f" · manifest {row.manifest}" if name_manifest else ""
    arguments = [_keep_end(row.policy_arguments, 50)] if row.policy_arguments else []
    return [*arguments, f"seed {row.seed}{manifest}"]


def _run_height(row: Row) -> float:
    return 0.3 + _LINE * (len(_details(row, False)) + bool(row.marks))


def _label_width(panel: _Panel) -> float:
    """Inches that the longest text left of the bars takes, by the mean width of a letter."""
    large = [_keep_end(row.policy, 40) for row in panel.rows]
    small = [line for row in panel.rows for line in _details(row, panel.several_manifests)]
    small += ["; ".join(row.marks) for row in panel.rows]
    small += [text for row in panel.reported for text in (row.method, row.source)]
    return max(0.085 * max(map(len, large)), 0.063 * max(map(len, small)), 1.2) + 0.3


def _published_heading(panel: _Panel) -> list[str]:
    heading = [f"{PUBLISHED}, not measured here"]
    if panel.backend != "official":
        heading.append(f"not comparable with the {panel.backend} backend above")
    return heading


def _panel_height(panel: _Panel) -> float:
    """Inches that a panel's rows take."""
    height = sum(_run_height(row) for row in panel.rows)
    if panel.reported:
        sources = len({row.source for row in panel.reported})
        height += 2 * _GAP + _PUBLISHED_ROW * (len(_published_heading(panel)) + len(panel.reported))
        height += (_GAP + _PUBLISHED_ROW) * sources
    return height


def _draw_panel(ax: Axes, panel: _Panel, labels: float) -> None:
    ax.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    ax.set_xlim(0, 100)
    ax.set_ylim(_panel_height(panel), 0)
    ax.set_yticks([])
    ax.set_xticks(range(0, 101, 20))
    ax.tick_params(axis="x", labelsize=7.5, colors=_FAINT)
    ax.set_xlabel("success rate, %", fontsize=8, color=_FAINT)
    ax.grid(axis="x", color="#dfe3e7", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.patch.set_alpha(0)  # lets the published rows' ground show, which is wider than the bars
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#b9bfc6")
    top = 0.0
    for row in panel.rows:
        _draw_run(ax, row, top, panel.several_manifests)
        top += _run_height(row)
    if panel.reported:
        _draw_published(ax, panel, top, labels)


def _draw_run(ax: Axes, row: Row, top: float, name_manifest: bool) -> None:
    """A filled bar with its interval; pale where episodes are missing."""
    summary = row.summary
    colour = _PRIVILEGED_COLOUR if row.privileged else _MEASURED_COLOUR
    rate = 100 * (summary.rate or 0.0)
    low, high = (100 * bound for bound in summary.interval)
    middle = top + _run_height(row) / 2
    (bar,) = ax.barh(
        middle,
        rate,
        height=_BAR,
        facecolor=colour if summary.complete else _pale(colour),
        edgecolor=colour,
    )
    bar.set_gid("measured")
    if summary.trials:
        ax.errorbar(
            rate,
            middle,
            xerr=[[rate - low], [high - rate]],
            fmt="o",
            markersize=3.5,
            color=_INK,
            elinewidth=1.2,
            capsize=3,
            clip_on=False,
        )
    y = top + 0.16
    _write_left(ax, y, _keep_end(row.policy, 40), size=9, colour=_INK)
    y += 0.03
    for detail in _details(row, name_manifest):
        y += _LINE
        _write_left(ax, y, detail, size=6.8, colour=_FAINT)
    if row.marks:
        _write_left(ax, y + _LINE, "; ".join(row.marks), size=6.8, colour=_MARK)
    value = "nothing counts" if summary.rate is None else f"{rate:.1f} %"
    counts = f"{summary.successes}/{summary.trials}  [{low:.1f}, {high:.1f}]"
    _write_right(ax, middle - 0.065, value, size=9, colour=_INK)
    _write_right(ax, middle + 0.075, counts, size=6.8, colour=_FAINT)


def _draw_published(ax: Axes, panel: _Panel, top: float, labels: float) -> None:
    """Hollow hatched bars on a ground of their own, under a line and a heading."""
    left, right = (0.1 - labels) / _BARS, (_BARS + _RIGHT - 0.1) / _BARS
    across = ax.get_yaxis_transform()
    ground = Rectangle(
        (left, top + _GAP / 2),
        right - left,
        _panel_height(panel) - top - _GAP / 2,
        transform=across,
        facecolor="#f3f4f6",
        clip_on=False,
        zorder=-1,
    )
    ax.add_patch(ground)
    ax.plot([left, right], 2 * [top + _GAP / 2], transform=across, color=_INK, lw=1, clip_on=False)
    y = top + _GAP
    for line in _published_heading(panel):
        y += _PUBLISHED_ROW
        ax.text(1, y, line, va="center", fontsize=7.8, fontweight="bold", color=_FAINT)
    for source, group in groupby(panel.reported, key=lambda row: row.source):
        y += _GAP + _PUBLISHED_ROW
        _write_left(ax, y, source, size=7.5, colour=_INK, style="italic")
        for row in group:
            y += _PUBLISHED_ROW
            rate = 100 * row.success_rate
            (bar,) = ax.barh(
                y,
                rate,
                height=0.55 * _PUBLISHED_ROW,
                facecolor="none",
                edgecolor=_PUBLISHED_COLOUR,
                hatch="/////",
                linewidth=0.8,
            )
            bar.set_gid("published")
            _write_left(ax, y, row.method, size=7.2, colour=_FAINT)
            _write_right(ax, y, f"{rate:.1f} %", size=7.2, colour=_FAINT)


def _write_left(
    ax: Axes, y: float, text: str, *, size: float, colour: str, style: str = "normal"
) -> None:
    """Text that ends just left of the bars."""
    ax.text(
        -0.1 / _BARS,
        y,
        text,
        transform=ax.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=size,
        color=colour,
        fontstyle=style,
        parse_math=False,
    )


def _write_right(ax: Axes, y: float, text: str, *, size: float, colour: str) -> None:
    """Text that begins just right of the bars."""
    ax.text(
        1 + 0.12 / _BARS,
        y,
        text,
        transform=ax.get_yaxis_transform(),
        va="center",
        fontsize=size,
        color=colour,
    )


def _legend(rows: Sequence[Row], *, reported: bool) -> list[Patch]:
    """One entry for each look that occurs."""
    entries = []
    if any(not row.privileged for row in rows):
        entries.append(Patch(color=_MEASURED_COLOUR, label="measured, Wilson 95 % interval"))
    if any(row.privileged for row in rows):
        entries.append(Patch(color=_PRIVILEGED_COLOUR, label="measured, sees simulator state"))
    if any(not row.summary.complete for row in rows):
        ground = _pale(_MEASURED_COLOUR)
        entries.append(Patch(fc=ground, ec=_MEASURED_COLOUR, label="pale: run incomplete"))
    if reported:
        entries.append(Patch(fc="none", ec=_PUBLISHED_COLOUR, hatch="/////", label=PUBLISHED))
    return entries


def _pale(colour: str) -> tuple[float, ...]:
    """The colour mixed with white."""
    return tuple(0.35 * part + 0.65 for part in to_rgb(colour))


def _keep_end(text: str, width: int) -> str:
    """Shortens from the left: the end of a path or a list of arguments tells more."""
    return text if len(text) <= width else "…" + text[1 - width :]


# ---- screen ----------------------------------------------------------------------------------


def print_leaderboard(
    rows: Sequence[Row], reported: Sequence[PublishedRow], console: Console
) -> None:
    """Prints a table per suite and backend, then the published numbers under their own title.

    The tables fit 80 columns.
    """
    for panel in _panels(rows, reported):
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
