"""Figures of diagnostics, in the style of all plots; markers and hatches say what colours say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wambench.report.plots.style import (
    LIGHT,
    MARKERS,
    NORMAL,
    PAGE,
    SMALL,
    panel_grid,
    printable,
    shorten,
)

_HEIGHT = 2.2
_DASHES = ("-", "--", ":", "-.")
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")
SIMILARITY = "cividis"
"""Colour map of heat maps: it rises evenly in lightness and for the colour-blind (Nuñez 2018)."""


def curves(
    title: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    x_label: str,
    y_label: str,
    *,
    spread: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """One line per series over common positions; 0 is in the picture.

    Args:
        title: Of the figure.
        x: Positions.
        series: Heights, one per position.
        x_label: What a position is.
        y_label: What a height is.
        spread: Lowest and highest value at each position, drawn as whiskers.
    """
    figure, (axes,) = panel_grid([title], _HEIGHT, LIGHT, legend_lines=len(series))
    for index, (name, values) in enumerate(series.items()):
        colour = LIGHT.cycle[index % len(LIGHT.cycle)]
        axes.plot(
            x,
            values,
            linestyle=_DASHES[index % len(_DASHES)],
            marker=MARKERS[index],
            markersize=4,
            linewidth=1.1,
            color=colour,
            label=printable(name),
        )
        for place, (low, high) in zip(x, (spread or {}).get(name, ()), strict=False):
            axes.vlines(
                place, low, high, color=LIGHT.cycle[index % len(LIGHT.cycle)], linewidth=0.8
            )
    axes.set_xticks(list(x), [f"{value:g}" for value in x])
    _finish(figure, axes, x_label, y_label)
    finite = [v for values in series.values() for v in values if np.isfinite(v)]
    axes.set_ylim(bottom=min(0.0, 1.05 * min(finite, default=0.0)))
    return figure


def clouds(title: str, points: NDArray[Any], groups: Sequence[str]) -> Figure:
    """Points in a plane whose axes mean nothing, a colour and a marker per group.

    Args:
        title: Of the figure.
        points: (M, 2).
        groups: Group of each point.
    """
    names = list(dict.fromkeys(groups))
    figure, (axes,) = panel_grid([title], 2.6, LIGHT, legend_lines=len(names))
    for index, name in enumerate(names):
        mine = np.array([group == name for group in groups])
        axes.scatter(
            *points[mine].T,
            s=8,
            marker=MARKERS[index % len(MARKERS)],
            color=LIGHT.cycle[index % len(LIGHT.cycle)],
            alpha=0.7,
            label=printable(name),
        )
    axes.set_xticks([])
    axes.set_yticks([])
    _finish(figure, axes, "", "")
    return figure


def bars(
    title: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float]],
    y_label: str,
    *,
    limits: tuple[float, float],
) -> Figure:
    """One group of bars per name, one bar per series in it.

    Args:
        title: Of the figure.
        groups: Names on the axis.
        series: Heights, one per group; NaN draws nothing.
        y_label: What a height is.
        limits: Of the axis; bars that go beyond are cut there, and their height stands beside them.
    """
    wide = len(groups) * len(series) > 12
    figure, (axes,) = panel_grid([title], _HEIGHT, LIGHT, legend_lines=len(series))
    if wide:
        figure.set_size_inches(PAGE, figure.get_size_inches()[1])
    width = 0.8 / len(series)
    low, high = limits
    for index, (name, values) in enumerate(series.items()):
        places = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        axes.bar(
            places,
            np.nan_to_num(np.clip(values, low, high)),
            width,
            color=LIGHT.cycle[index % len(LIGHT.cycle)],
            edgecolor=LIGHT.ground,
            linewidth=0.4,
            hatch=_HATCHES[index % len(_HATCHES)],
            label=printable(name),
        )
        for place, value in zip(places, values, strict=True):
            if not low <= value <= high and np.isfinite(value):
                axes.text(
                    place,
                    low,
                    f"{value:.2g}",
                    fontsize=SMALL,
                    ha="center",
                    va="bottom",
                    rotation=90,
                    color=LIGHT.ink,
                )
    axes.axhline(0, color=LIGHT.faint, linewidth=0.6)
    axes.set_xticks(range(len(groups)), [printable(group) for group in groups])
    axes.grid(axis="x", visible=False)
    _finish(figure, axes, "", y_label)
    axes.set_ylim(low, high)
    return figure


def bar_panels(panels: Mapping[str, Mapping[str, float]], y_label: str) -> Figure:
    """One panel per title with bars of its own names, their heights beside them."""
    figure, all_axes = panel_grid(list(panels), _HEIGHT, LIGHT)
    for axes, values in zip(all_axes, panels.values(), strict=True):
        bars_drawn = axes.bar(
            range(len(values)),
            list(values.values()),
            0.6,
            color=[LIGHT.cycle[i % len(LIGHT.cycle)] for i in range(len(values))],
        )
        axes.bar_label(bars_drawn, fmt="%.3g", fontsize=SMALL, color=LIGHT.ink)
        axes.set_xticks(range(len(values)), [printable(name) for name in values])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(y_label, fontsize=NORMAL, color=LIGHT.ink)
        axes.margins(y=0.12)
    return figure


def matrix(
    title: str,
    values: NDArray[Any],
    groups: Sequence[str],
    labels: tuple[str, str],
    legend: str,
) -> Figure:
    """A square matrix as a picture, lines between groups of neighbours.

    Args:
        title: Of the figure.
        values: (M, M).
        groups: M names; neighbours of one name are a group.
        labels: What columns are, and rows.
        legend: What a colour says.
    """
    figure, (axes,) = panel_grid([title], 2.6, LIGHT)
    figure.set_size_inches(PAGE, 0.62 * PAGE)
    image = axes.imshow(values, cmap=SIMILARITY, interpolation="nearest", aspect="equal")
    begins = [i for i, name in enumerate(groups) if i == 0 or groups[i - 1] != name]
    ends = [*begins[1:], len(groups)]
    for begin in begins[1:]:
        axes.axhline(begin - 0.5, color=LIGHT.ground, linewidth=1.2)
        axes.axvline(begin - 0.5, color=LIGHT.ground, linewidth=1.2)
    middles = [(begin + end - 1) / 2 for begin, end in zip(begins, ends, strict=True)]
    axes.set_yticks(middles, [printable(shorten(groups[i], 1.9)) for i in begins])
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.set_xlabel(labels[0], fontsize=NORMAL, color=LIGHT.ink)
    axes.set_ylabel(labels[1], fontsize=NORMAL, color=LIGHT.ink)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(legend, fontsize=NORMAL, color=LIGHT.ink)
    bar.ax.tick_params(labelsize=SMALL, colors=LIGHT.faint)
    return figure


def heat_maps(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, NDArray[np.uint8], Sequence[NDArray[Any] | None]]],
    legend: str,
) -> Figure:
    """Pictures with maps over them.

    Args:
        title: Of the figure.
        columns: Title of each column.
        rows: A label; (C, H, W, 3) pictures, one per column; and one (h, w) map per column, None
            for the picture alone.
        legend: What a colour says.
    """
    side = (PAGE - 0.9) / len(columns)
    figure = Figure(figsize=(PAGE, side * len(rows) + 0.55), facecolor=LIGHT.ground)
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
    cells = figure.subplots(len(rows), len(columns), squeeze=False)
    values = [m for _, _, maps in rows for m in maps if m is not None]
    low = min(float(np.nanmin(m)) for m in values)
    image = None
    for line, (label, pictures, maps) in enumerate(rows):
        for column, (picture, values_of) in enumerate(zip(pictures, maps, strict=True)):
            axes = cells[line, column]
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            height, width = picture.shape[:2]
            extent = (0, width, height, 0)
            if values_of is None:
                axes.imshow(picture, extent=extent)
            else:
                axes.imshow(picture.mean(-1), cmap="gray", vmin=0, vmax=255, extent=extent)
                image = axes.imshow(
                    values_of,
                    cmap=SIMILARITY,
                    vmin=low,
                    vmax=1,
                    alpha=0.6,
                    extent=extent,
                    interpolation="nearest",
                )
            if line == 0:
                axes.set_title(columns[column], fontsize=NORMAL, color=LIGHT.ink)
            if column == 0:
                axes.set_ylabel(printable(label), fontsize=SMALL, color=LIGHT.ink, parse_math=False)
    assert image is not None
    bar = figure.colorbar(image, ax=cells, shrink=0.8, pad=0.01)
    bar.set_label(legend, fontsize=NORMAL, color=LIGHT.ink)
    bar.ax.tick_params(labelsize=SMALL, colors=LIGHT.faint)
    figure.suptitle(title, fontsize=NORMAL, color=LIGHT.ink, fontweight="bold")
    return figure


def _finish(figure: Figure, axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, fontsize=NORMAL, color=LIGHT.ink)
    axes.set_ylabel(y_label, fontsize=NORMAL, color=LIGHT.ink)
    figure.legend(
        loc="outside lower left",
        ncols=1,
        frameon=False,
        fontsize=SMALL,
        labelcolor=LIGHT.ink,
        labelspacing=0.3,
        borderpad=0.1,
    )
