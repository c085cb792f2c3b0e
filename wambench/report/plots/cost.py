"""Success against what it costs: inference time per chunk, and wall-clock per episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from wambench.report.leaderboard_rows import Row, panels_of
from wambench.report.plots.series import add_legend, legend_lines, series_of
from wambench.report.plots.style import LIGHT, NORMAL, SMALL, Theme, panel_grid

_PANEL_HEIGHT = 2.1


def draw_inference(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """Success rate against milliseconds of policy per action chunk; None where none was timed."""
    return _draw(
        rows,
        lambda row: None if row.seconds_per_chunk is None else 1000 * row.seconds_per_chunk,
        "policy time per chunk, ms",
        theme,
    )


def draw_wall_clock(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """Success rate against wall seconds per episode without filming; None where nothing counts."""
    return _draw(
        rows,
        lambda row: row.seconds_per_episode,
        "wall-clock per episode, s",
        theme,
    )


def _draw(
    rows: Sequence[Row], cost_of: Callable[[Row], float | None], label: str, theme: Theme
) -> Figure | None:
    costs = {
        row.order: cost
        for row in rows
        if row.summary.rate is not None and (cost := cost_of(row)) is not None and cost > 0
    }
    shown = [row for row in rows if row.order in costs]
    if not shown:
        return None
    series = series_of(rows, theme)
    panels = panels_of(shown)
    used = [series[row.order] for row in shown]
    wide = len(panels) > 1
    figure, all_axes = panel_grid(
        [panel.short_title for panel in panels],
        _PANEL_HEIGHT,
        theme,
        legend_lines=legend_lines(used, wide),
    )
    for panel, axes in zip(panels, all_axes, strict=True):
        for row in panel.rows:
            look = series[row.order]
            rate = 100 * (row.summary.rate or 0.0)
            low, high = (100 * bound for bound in row.summary.interval)
            axes.errorbar(
                costs[row.order],
                rate,
                [[rate - low], [high - rate]],
                fmt=look.marker,
                markersize=4.5,
                color=look.colour,
                markerfacecolor=look.colour,
                elinewidth=0.9,
                capsize=2,
                capthick=0.9,
            )
        values = [costs[row.order] for row in panel.rows]
        axes.set_xscale("log")
        # Whole decades at least, so that points that cost about the same do not look far apart.
        axes.set_xlim(min(values) / 3.2, max(values) * 3.2)
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1.0,) if max(values) / min(values) > 30 else (1.0, 2.0, 5.0))
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", which="minor", length=1.5, width=0.4, colors=theme.faint)
        axes.set_ylim(-4, 104)
        axes.set_yticks(range(0, 101, 25))
        axes.set_xlabel(label, fontsize=NORMAL, color=theme.ink)
        axes.set_ylabel("success rate, %", fontsize=NORMAL, color=theme.ink)
        axes.tick_params(labelsize=SMALL)
    add_legend(figure, used, theme, wide)
    return figure
