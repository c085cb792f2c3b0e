"""Success rate of every task with its interval, one suite on one backend per figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wambench.report.leaderboard_rows import Panel, Row
from wambench.report.plots.series import Series, add_legend, legend_lines, series_of
from wambench.report.plots.style import (
    COLUMN,
    LIGHT,
    NORMAL,
    PAGE,
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

_ONE_COLUMN_UP_TO = 50
"""Tasks that fit the height of a page; more stand in two columns."""


def draw_tasks(panel: Panel, rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """Tasks down, success rate across, one point per run; many tasks in two columns.

    Args:
        panel: The runs to draw; the first `MOST_ROWS` that have a rate are.
        rows: All rows of the leaderboard, which decide the colours.
        theme: Colours.

    Returns:
        None where no task of any run has a rate.
    """
    drawable = [
        row for row in panel.rows if any(task.rate is not None for task in row.tasks.values())
    ]
    shown = drawable[:MOST_ROWS]
    if not shown:
        return None
    series = series_of(rows, theme)
    used = [series[row.order] for row in shown]
    labels = {index: task.label for row in shown for index, task in row.tasks.items()}
    tasks = sorted(labels)
    written = len(tasks) <= _INSTRUCTIONS_UP_TO
    columns = 1 if len(tasks) <= _ONE_COLUMN_UP_TO else 2
    longest = -(-len(tasks) // columns)
    step = max(0.28 if written else 0.11, 0.08 * len(shown) + 0.03)
    left = 1.42 if written else 0.4
    above, below = 0.27 + 0.13 * (len(drawable) > MOST_ROWS), 0.38
    legend = 0.15 * legend_lines(used, wide=columns == 2) + 0.06
    width = COLUMN if columns == 1 else PAGE
    height = above + step * longest + below + legend
    figure = Figure(figsize=(width, height), facecolor=theme.ground)
    for column in range(columns):
        part = tasks[column * longest : (column + 1) * longest]
        tall = step * len(part)
        box = (
            (column * width / columns + left) / width,
            (height - above - tall) / height,
            (width / columns - left - 0.12) / width,
            tall / height,
        )
        axes = figure.add_axes(box)
        names = [
            _two_lines(f"{task}  {labels[task]}", left - 0.1) if written else str(task)
            for task in part
        ]
        _style(axes, names, theme)
        for number, row in enumerate(shown):
            offset = (number - (len(shown) - 1) / 2) * min(0.8 / len(shown), 0.2)
            _draw_run(axes, row, part, offset, series[row.order])
    figure.text(
        0.06 / width,
        1 - 0.13 / height,
        panel.short_title,
        fontsize=TITLE,
        fontweight="bold",
        color=theme.ink,
        va="center",
        parse_math=False,
    )
    if len(drawable) > MOST_ROWS:
        text = f"the {MOST_ROWS} best of {len(drawable)} runs"
        y = 1 - 0.28 / height
        figure.text(0.06 / width, y, text, fontsize=SMALL, color=theme.faint, va="center")
    add_legend(figure, used, theme, wide=columns == 2)
    return figure


def _style(axes: Axes, names: Sequence[str], theme: Theme) -> None:
    style_axes(axes, theme, grid="x")
    for edge in range(len(names) - 1):
        axes.axhline(edge + 0.5, color=theme.grid, linewidth=0.4, zorder=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.set_xlabel("success rate, %", fontsize=NORMAL, color=theme.ink)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(
        range(len(names)),
        names,
        color=theme.ink,
        fontsize=SMALL,
        parse_math=False,
        linespacing=1.05,
    )


def _draw_run(axes: Axes, row: Row, tasks: Sequence[int], offset: float, look: Series) -> None:
    """Points and whiskers of one run; a task with episodes missing has none."""
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
            elinewidth=0.8,
            clip_on=False,
            gid=f"task-{task}",
        )


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
