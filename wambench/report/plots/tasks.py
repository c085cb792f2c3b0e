"""Success rate of every task with its interval, one suite on one backend per figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from wambench.report.leaderboard_rows import Panel, Row
from wambench.report.plots.series import add_legend, legend_lines, series_of
from wambench.report.plots.style import (
    COLUMN,
    LIGHT,
    NORMAL,
    SMALL,
    TITLE,
    Theme,
    printable,
    shorten,
    style_axes,
)

MOST_ROWS = 6
"""Runs in one figure; more cannot be told apart at the width of a column."""

_INSTRUCTIONS_UP_TO = 20
"""Tasks up to which instructions are written out; above, tasks have their numbers only."""


def draw_tasks(panel: Panel, rows: Sequence[Row], theme: Theme = LIGHT) -> Figure:
    """Tasks down, success rate across, one point per run.

    Args:
        panel: The runs to draw; the first `MOST_ROWS` are.
        rows: All rows of the leaderboard, which decide the colours.
        theme: Colours.
    """
    shown = panel.rows[:MOST_ROWS]
    series = series_of(rows, theme)
    used = [series[row.order] for row in shown]
    labels = {index: task.label for row in shown for index, task in sorted(row.tasks.items())}
    tasks = sorted(labels)
    written = len(tasks) <= _INSTRUCTIONS_UP_TO
    step = max(0.28 if written else 0.11, 0.08 * len(shown) + 0.03)
    left = 1.42 if written else 0.4
    above, below = 0.27 + 0.13 * (len(panel.rows) > MOST_ROWS), 0.38
    legend = 0.15 * legend_lines(used, False) + 0.06
    height = above + step * len(tasks) + below + legend
    figure = Figure(figsize=(COLUMN, height), facecolor=theme.ground)
    axes = figure.add_axes(
        (
            left / COLUMN,
            (below + legend) / height,
            (COLUMN - left - 0.12) / COLUMN,
            step * len(tasks) / height,
        )
    )
    style_axes(axes, theme, grid="x")
    for number, row in enumerate(shown):
        look = series[row.order]
        offset = (number - (len(shown) - 1) / 2) * min(0.8 / len(shown), 0.2)
        for place, task in enumerate(tasks):
            summary = row.tasks.get(task)
            if summary is None or summary.rate is None:
                continue
            rate = 100 * summary.rate
            low, high = (100 * bound for bound in summary.interval)
            axes.errorbar(
                rate,
                place + offset,
                xerr=[[rate - low], [high - rate]],
                fmt=look.marker,
                markersize=3.2,
                color=look.colour,
                markerfacecolor=look.colour,
                elinewidth=0.8,
                clip_on=False,
                gid=f"task-{task}",
            )
    for edge in range(len(tasks) - 1):
        axes.axhline(edge + 0.5, color=theme.grid, linewidth=0.4, zorder=0)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.set_xlabel("success rate, %", fontsize=NORMAL, color=theme.ink)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(
        range(len(tasks)),
        [
            _two_lines(f"{task}  {labels[task]}", left - 0.1) if written else str(task)
            for task in tasks
        ],
        color=theme.ink,
        fontsize=SMALL,
        parse_math=False,
        linespacing=1.05,
    )
    figure.text(
        0.06 / COLUMN,
        1 - 0.13 / height,
        panel.short_title,
        fontsize=TITLE,
        fontweight="bold",
        color=theme.ink,
        va="center",
        parse_math=False,
    )
    if len(panel.rows) > MOST_ROWS:
        text = f"the {MOST_ROWS} best of {len(panel.rows)} runs"
        y = 1 - 0.28 / height
        figure.text(0.06 / COLUMN, y, text, fontsize=SMALL, color=theme.faint, va="center")
    add_legend(figure, used, theme, wide=False)
    return figure


def _two_lines(text: str, width: float) -> str:
    """A text broken between words into at most two lines; the second is cut at its end."""
    first: list[str] = []
    rest = printable(text).split(" ")
    while rest and shorten(" ".join([*first, rest[0]]), width)[:1] != "…":
        first.append(rest.pop(0))
    if not first:
        return _cut_end(" ".join(rest), width)
    return "\n".join([" ".join(first), *([_cut_end(" ".join(rest), width)] if rest else [])])


def _cut_end(text: str, width: float) -> str:
    return text if shorten(text, width) == text else shorten(text[::-1], width)[1:][::-1] + "…"
