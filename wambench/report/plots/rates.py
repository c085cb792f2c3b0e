"""Success rates with intervals: policies down, suites across, as papers print them.

Every backend has axes of its own, and so have published numbers: nothing that was not measured on
the same models ever shares an axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from wambench.protocol import Backend
from wambench.report.leaderboard_rows import BACKENDS, Method, Row, methods_of, panels_of
from wambench.report.plots.style import (
    COLUMN,
    LIGHT,
    NORMAL,
    PAGE,
    PRIVILEGED,
    SMALL,
    TITLE,
    Theme,
    printable,
    shorten,
    text_width,
)
from wambench.report.published import PublishedRow

PUBLISHED = "published by the papers, on official assets; not measured here"
PUBLISHED_NARROW = "published, on official assets"

_MOST_COLUMNS = 4
"""Suites beside each other; more go into further bands."""

# Everything is placed in inches, so that text keeps its room whatever the number of rows.
_EDGE = 0.06
_LABEL_GAP = 0.12
_LINE = 0.128
"""Height of a line of small text."""
_ROW_GAP = 0.075
_HEADING = 0.22
_COLUMN_HEADS = 0.2
_TICKS = 0.2
_BAND_GAP = 0.12
_VALUE = text_width("100.0")
_INTERVAL = text_width("[100.0, 100.0]")
"""Widths of what is written at the right of the axes."""


@dataclass
class _Line:
    """One line of a band: texts at its left, and at most one result per suite."""

    texts: list[tuple[str, str]]
    """(text, kind), kind being `name`, `detail`, `mark` or `source`."""
    measured: dict[str, Row] = field(default_factory=dict)
    published: dict[str, float] = field(default_factory=dict)

    @property
    def height(self) -> float:
        gap = _ROW_GAP if self.measured or self.texts[0][1] == "source" else 0.012
        return _LINE * len(self.texts) + gap


@dataclass
class _Band:
    """Lines that share their axes: one backend, or published numbers."""

    heading: str
    kind: str
    columns: list[str]
    """Suites that have a column, so that all bands line up; those without a result stay empty."""
    suites: list[str]
    lines: list[_Line]

    @property
    def rows_height(self) -> float:
        return sum(line.height for line in self.lines) + 0.04

    @property
    def height(self) -> float:
        return _HEADING + _COLUMN_HEADS + self.rows_height + _TICKS + _BAND_GAP


def draw_rates(
    rows: Sequence[Row], reported: Sequence[PublishedRow] = (), theme: Theme = LIGHT
) -> Figure:
    """The leaderboard as a picture.

    One suite fits a column of a paper, several take the whole width.

    Args:
        rows: As `wambench.report.leaderboard_rows.collect` returns them.
        reported: Published numbers, drawn in axes of their own; may be empty.
        theme: Colours.
    """
    suites = list(dict.fromkeys(row.suite for row in rows))
    wide = len(suites) > 1
    bands = []
    columns = -(-len(suites) // -(-len(suites) // _MOST_COLUMNS)) if suites else 1
    for start in range(0, len(suites), columns):
        chosen = suites[start : start + columns]
        # Empty columns at the end, so that a suite is equally wide in every band.
        bands += _bands_of(chosen + [""] * (columns - len(chosen)), rows, reported, wide)
    legend = _legend(rows, bands, theme)
    width = PAGE if wide else COLUMN
    notes = _notes(rows, width - 2 * _EDGE)
    legend_columns = 3 if wide else 1
    legend_height = _LINE * 1.25 * -(-len(legend) // legend_columns) + _LINE * len(notes) + 0.1
    height = sum(band.height for band in bands) + legend_height
    figure = Figure(figsize=(width, height), facecolor=theme.ground)
    common = max(map(_label_width, bands))
    top = height
    for band in bands:
        labels = min(common, 0.26 * width) if wide else min(_label_width(band), 0.47 * width)
        _draw_band(figure, band, top, labels, theme)
        top -= band.height
    for number, note in enumerate(reversed(notes)):
        y = (0.05 + _LINE * (number + 0.5)) / height
        figure.text(_EDGE / width, y, note, fontsize=SMALL, color=theme.faint, va="center")
    figure.legend(
        handles=legend,
        loc="lower left",
        bbox_to_anchor=(0, (_LINE * len(notes) + 0.04) / height),
        ncols=legend_columns,
        frameon=False,
        fontsize=SMALL,
        labelcolor=theme.ink,
        borderpad=0.2,
        borderaxespad=0.0,
        labelspacing=0.25,
        handlelength=1.4,
    )
    return figure


# ---- content -------------------------------------------------------------------------------


def _bands_of(
    suites: list[str], rows: Sequence[Row], reported: Sequence[PublishedRow], wide: bool
) -> list[_Band]:
    bands = []
    for backend in BACKENDS:
        chosen = [row for row in rows if row.backend == backend and row.suite in suites]
        if chosen:
            several = any(panel.several_manifests for panel in panels_of(chosen))
            lines = [
                _measured_line(method, of_suite, wide, several)
                for method, of_suite in _ranked(chosen)
            ]
            shown = [suite for suite in suites if any(row.suite == suite for row in chosen)]
            bands.append(_Band(f"measured, backend {backend}", backend, suites, shown, lines))
    lines = _published_lines([row for row in reported if row.suite in suites])
    if lines:
        shown = [suite for suite in suites if any(suite in line.published for line in lines)]
        bands.append(
            _Band(PUBLISHED if wide else PUBLISHED_NARROW, "published", suites, shown, lines)
        )
    return bands


def _ranked(rows: Sequence[Row]) -> list[tuple[Method, dict[tuple[str, Backend], Row]]]:
    """Methods on one backend, the best mean rate first."""
    return sorted(
        methods_of(rows).items(),
        key=lambda item: -fmean(row.summary.rate or 0.0 for row in item[1].values()),
    )


def _measured_line(
    method: Method,
    of_suite: dict[tuple[str, Backend], Row],
    wide: bool,
    several_manifests: bool,
) -> _Line:
    rows = {suite: row for (suite, _), row in of_suite.items()}
    texts = [(method.policy, "name")]
    if method.arguments:
        texts.append((method.arguments, "detail"))
    seed = f"seed {method.seed}"
    if wide:
        texts.append((f"{seed}, {method.trials_per_task} trials per task", "detail"))
    else:
        (row,) = rows.values()
        texts.append((f"{seed}, {row.summary.successes}/{row.summary.trials}", "detail"))
        if several_manifests:
            texts.append((f"manifest {row.manifest}", "detail"))
    common = set.intersection(*(set(row.marks) for row in rows.values()))
    for suite, row in rows.items():
        for mark in row.marks:
            text = mark if mark in common or not wide else f"{suite}: {mark}"
            if (text, "mark") not in texts:
                texts.append((text, "mark"))
    return _Line(texts, measured=rows)


def _published_lines(reported: Sequence[PublishedRow]) -> list[_Line]:
    lines = []
    for source, of_source in groupby(reported, key=lambda row: row.source):
        lines.append(_Line([(source, "source")]))
        for method, of_method in groupby(of_source, key=lambda row: row.method):
            rates = {row.suite: row.success_rate for row in of_method}
            lines.append(_Line([(method, "detail")], published=rates))
    return lines


def _notes(rows: Sequence[Row], width: float) -> list[str]:
    """Lines of at most about that width, in."""
    several = [panel.short_title for panel in panels_of(rows) if panel.several_manifests]
    if not several:
        return []
    where = "" if len(several) == len(panels_of(rows)) else f" ({', '.join(several)})"
    note = f"Rows with different manifests ran different episodes{where}."
    return wrap(note, max(20, int(0.97 * len(note) * width / text_width(note))))


# ---- drawing -------------------------------------------------------------------------------

_LOOKS = {
    "name": (NORMAL, "bold"),
    "detail": (SMALL, "normal"),
    "mark": (SMALL, "normal"),
    "source": (SMALL, "bold"),
}


def _label_width(band: _Band) -> float:
    """Inches that the texts left of the axes take; sources have the whole line to themselves."""
    texts = [text for line in band.lines for text in line.texts if text[1] != "source"]
    return max(text_width(text, *_LOOKS[kind]) for text, kind in texts) + _LABEL_GAP + _EDGE


def _draw_band(figure: Figure, band: _Band, top: float, labels: float, theme: Theme) -> None:
    width, height = figure.get_size_inches()
    colours = {"name": theme.ink, "detail": theme.faint, "source": theme.ink}
    if band.kind == "published":
        bottom = top - band.height + _BAND_GAP
        box = Rectangle(
            (0, bottom / height),
            1,
            (band.height - _BAND_GAP) / height,
            transform=figure.transFigure,
            facecolor=theme.grid,
            alpha=0.35,
            zorder=-1,
        )
        figure.add_artist(box)

    def write(x: float, y: float, text: str, size: float, **look: Any) -> None:
        figure.text(
            x / width,
            y / height,
            printable(text),
            fontsize=size,
            va="center",
            parse_math=False,
            gid=band.kind,
            **look,
        )

    write(_EDGE, top - 0.13, band.heading, TITLE, color=theme.ink, weight="bold")
    rows_top = top - _HEADING - _COLUMN_HEADS
    y = rows_top - 0.02
    for line in band.lines:
        for number, (text, kind) in enumerate(line.texts):
            size, weight = _LOOKS[kind]
            whole = kind == "source"
            room = width - 2 * _EDGE if whole else labels - _LABEL_GAP - _EDGE
            write(
                _EDGE if whole else labels - _LABEL_GAP,
                y - line.height / 2 + _LINE * ((len(line.texts) - 1) / 2 - number),
                shorten(text, room, size, weight),
                size,
                color=colours.get(kind, theme.privileged),
                weight=weight,
                ha="left" if whole else "right",
            )
        y -= line.height
    column = (width - labels - _EDGE) / len(band.columns)
    value = _VALUE + 0.1
    intervals = band.kind != "published" and column - _INTERVAL >= 0.9
    if intervals:
        value = _INTERVAL + 0.1
    for suite in band.suites:
        left = labels + band.columns.index(suite) * column
        axes = figure.add_axes(
            (
                left / width,
                (rows_top - band.rows_height) / height,
                (column - value - 0.08) / width,
                band.rows_height / height,
            )
        )
        of = "published" if band.kind == "published" else f"backend {band.kind}"
        axes.set_label(f"{suite} · {of}")
        _style(axes, suite, band.rows_height, theme)
        y = 0.02
        for line in band.lines:
            _draw_result(axes, line, suite, y + line.height / 2, intervals, theme)
            y += line.height


def _style(axes: Axes, suite: str, tall: float, theme: Theme) -> None:
    axes.set_title(
        suite, loc="left", fontsize=NORMAL, color=theme.ink, pad=3, parse_math=False, x=0.0
    )
    axes.patch.set_alpha(0)
    axes.set_xlim(0, 100)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])
    axes.tick_params(labelsize=SMALL, colors=theme.faint, length=2, width=0.6, pad=1.5)
    axes.grid(axis="x", color=theme.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=theme.faint, linewidth=0.6)


def _draw_result(
    axes: Axes, line: _Line, suite: str, y: float, intervals: bool, theme: Theme
) -> None:
    """A point with its interval, and at the right of the axes what it says in figures."""
    if suite in line.published:
        rate = 100 * line.published[suite]
        axes.plot(rate, y, clip_on=False, gid="published", **_published_look(theme))
        _write_value(axes, y, f"{rate:.1f}", theme.faint)
    elif suite in line.measured:
        row = line.measured[suite]
        summary = row.summary
        if summary.rate is None:
            _draw_range(axes, row, y, intervals, theme)
            return
        rate, low, high = (100 * value for value in (summary.rate, *summary.interval))
        axes.plot([low, high], [y, y], color=theme.ink, linewidth=1.0, clip_on=False)
        for end in (low, high):
            axes.plot([end, end], [y - 0.03, y + 0.03], color=theme.ink, lw=1.0, clip_on=False)
        axes.plot(rate, y, clip_on=False, gid="measured", **_measured_look(row, theme))
        if intervals:
            _write_value(axes, y - _LINE / 2, f"{rate:.1f}", theme.ink)
            _write_value(axes, y + _LINE / 2, f"[{low:.1f}, {high:.1f}]", theme.faint)
        else:
            _write_value(axes, y, f"{rate:.1f}", theme.ink)
    elif line.measured or line.published:
        _write_value(axes, y, "–", theme.faint)


def _draw_range(axes: Axes, row: Row, y: float, intervals: bool, theme: Theme) -> None:
    """What the rate of an incomplete run can still become: a band without a point."""
    if not row.summary.trials:
        _write_value(axes, y, "nothing counts" if intervals else "–", theme.faint)
        return
    low, high = (100 * bound for bound in row.summary.bounds)
    colour = theme.privileged if row.privileged else theme.measured
    axes.barh(
        y,
        high - low,
        left=low,
        height=0.09,
        facecolor="none",
        edgecolor=colour,
        hatch="//////",
        linewidth=0.6,
        gid="range",
    )
    if intervals:
        _write_value(axes, y - _LINE / 2, "no rate yet:", theme.faint)
        _write_value(axes, y + _LINE / 2, f"{low:.1f} to {high:.1f}", theme.faint)
    else:
        _write_value(axes, y, "–", theme.faint)


def _write_value(axes: Axes, y: float, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (1, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(6, 0),
        textcoords="offset points",
        fontsize=SMALL,
        color=colour,
        va="center",
        annotation_clip=False,
    )


def _measured_look(row: Row, theme: Theme) -> dict[str, Any]:
    """Square where the policy is privileged."""
    colour = theme.privileged if row.privileged else theme.measured
    return {
        "linestyle": "none",
        "marker": "s" if row.privileged else "o",
        "markersize": 4.2,
        "markeredgecolor": colour,
        "markeredgewidth": 1.1,
        "markerfacecolor": colour,
    }


def _published_look(theme: Theme) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": "D",
        "markersize": 3.4,
        "markeredgecolor": theme.published,
        "markeredgewidth": 0.9,
        "markerfacecolor": "none",
    }


def _legend(rows: Sequence[Row], bands: Sequence[_Band], theme: Theme) -> list[Line2D | Patch]:
    """One entry for each look that occurs."""
    entries: list[Line2D | Patch] = []
    for privileged, label in ((False, ""), (True, f", {PRIVILEGED}")):
        row = next((row for row in rows if row.privileged == privileged), None)
        if row is not None:
            look = _measured_look(row, theme)
            entries.append(Line2D([], [], label=f"measured{label}: 95 % interval", **look))
    if any(row.summary.trials and row.summary.rate is None for row in rows):
        entries.append(
            Patch(
                label="episodes missing: what it can become",
                facecolor="none",
                edgecolor=theme.measured,
                hatch="//////",
                linewidth=0.6,
            )
        )
    if any(band.kind == "published" for band in bands):
        entries.append(Line2D([], [], label="published", **_published_look(theme)))
    return entries
