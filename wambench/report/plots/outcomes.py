"""What became of the planned episodes, method by method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from wambench.report.leaderboard_rows import Row, panels_of
from wambench.report.outcomes import LABELS, outcome_parts
from wambench.report.plots.series import Series, series_of
from wambench.report.plots.style import (
    HATCHES,
    LIGHT,
    SMALL,
    Theme,
    panel_grid,
    printable,
    shorten,
)

_ROW = 0.3


def draw_outcomes(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure:
    """One bar per run: shares of success, failure and each outcome that does not count."""
    panels = panels_of(rows)
    series = series_of(rows, theme)
    wide = len(panels) > 1
    most = max(len(panel.rows) for panel in panels)
    occurring = {part.name for row in rows for part in outcome_parts(row.summary)}
    columns = 3 if wide else 1
    figure, all_axes = panel_grid(
        [panel.short_title for panel in panels],
        0.75 + _ROW * most,
        theme,
        legend_lines=-(-len(occurring) // columns),
    )
    for panel, axes in zip(panels, all_axes, strict=True):
        for position, row in enumerate(panel.rows):
            left = 0.0
            for part in outcome_parts(row.summary):
                share = 100 * part.count / row.summary.planned
                with matplotlib.rc_context({"hatch.linewidth": 0.6}):
                    axes.barh(
                        position,
                        share,
                        left=left,
                        height=0.62,
                        **_look(part.name, theme),
                        gid=part.name,
                    )
                left += share
        axes.set_ylim(most - 0.4, -0.6)
        axes.set_yticks(
            range(len(panel.rows)),
            [_label(series[row.order]) for row in panel.rows],
            color=theme.ink,
            fontsize=SMALL,
            parse_math=False,
        )
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, 100)
        axes.set_xticks(range(0, 101, 25))
        axes.set_xlabel("% of the planned episodes", fontsize=SMALL, color=theme.ink)
        axes.spines["left"].set_visible(False)
    figure.legend(
        handles=[
            Patch(label=LABELS[name], **_look(name, theme)) for name in LABELS if name in occurring
        ],
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        labelcolor=theme.ink,
        labelspacing=0.3,
        handlelength=1.4,
        borderpad=0.1,
    )
    return figure


def _label(series: Series) -> str:
    lines = [line for line in (series.name, series.detail) if line]
    return "\n".join(printable(shorten(line, 1.6)) for line in lines)


def _look(outcome: str, theme: Theme) -> dict[str, Any]:
    return {
        "facecolor": theme.outcomes[outcome],
        "edgecolor": theme.ink if outcome in HATCHES else theme.outcomes[outcome],
        "linewidth": 0.4,
        "hatch": HATCHES.get(outcome),
    }
