"""Which colour and marker stands for which method, the same in all plots of a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wambench.report.leaderboard_rows import Row, details_of_methods, methods_of
from wambench.report.plots.style import MARKERS, SMALL, Theme, printable, shorten


@dataclass(frozen=True, slots=True)
class Series:
    """How a method is drawn.

    Attributes:
        name: Name of the policy.
        detail: What else tells it apart; may be empty.
        colour: One of the theme's cycle.
        marker: Tells it apart without colour, and from others with the same colour.
    """

    name: str
    detail: str
    colour: str
    marker: str


def series_of(rows: Sequence[Row], theme: Theme) -> dict[int, Series]:
    """`Row.order` to how that row's method is drawn."""
    methods = methods_of(rows)
    details = details_of_methods(methods)
    return {
        row.order: Series(
            name=method.policy,
            detail=", ".join(filter(None, (details[method], "privileged" * row.privileged))),
            colour=theme.cycle[number % len(theme.cycle)],
            marker=MARKERS[number % len(MARKERS)],
        )
        for number, (method, of_suite) in enumerate(methods.items())
        for row in of_suite.values()
    }


def legend_lines(series: Sequence[Series], wide: bool) -> int:
    """Lines that the legend of `add_legend` takes."""
    return -(-len(set(series)) // (2 if wide else 1))


def add_legend(figure: Figure, series: Sequence[Series], theme: Theme, wide: bool) -> None:
    """A legend below the panels, with names cut from the left to fit."""
    entries = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=one.marker,
            markersize=4,
            color=one.colour,
            label=printable(shorten(", ".join(filter(None, (one.name, one.detail))), 2.9)),
        )
        for one in dict.fromkeys(series)
    ]
    legend = figure.legend(
        handles=entries,
        loc="outside lower left",
        ncols=2 if wide else 1,
        frameon=False,
        fontsize=SMALL,
        labelcolor=theme.ink,
        labelspacing=0.3,
        handlelength=1.2,
        borderpad=0.1,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
