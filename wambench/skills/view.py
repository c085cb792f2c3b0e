"""A figure of one demonstration: pictures where it is cut, the gripper, its skills and prompts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wambench.demos.demo import Source
from wambench.report.plots.style import (
    LIGHT,
    PAGE,
    SMALL,
    TITLE,
    Theme,
    save_figure,
    style_axes,
)
from wambench.skills.decompose import Decomposition, Options, SkillClip
from wambench.skills.gripper import read_gripper
from wambench.skills.labels import Starts

_PICTURES = 7
"""Most pictures side by side; more become too small to see the hand."""

_APART_S = 0.3
"""Pictures that are nearer in time look alike."""

_RELEASED_S = 0.15
"""How long after a cut its picture is taken: at the cut itself the fingers have not moved yet."""


def draw_demo(
    source: Source,
    found: Decomposition,
    options: Options,
    starts: Starts = (),
    camera: str | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draws one demonstration.

    Args:
        source: The dataset.
        found: What became of the demonstration.
        options: How it was cut.
        starts: Where the expert's skills begin; empty where nobody knows.
        camera: The pictures' camera; None for the first that there is.
        theme: Colours.
    """
    info = source.demos[found.demo]
    gripper = read_gripper(source, found.demo)
    camera = camera or next(iter(info.cameras), None)
    rows = _pictured(found, info.length, gripper.hz)
    bars = 1 + bool(starts)
    height = 1.25 * (camera is not None) + 1.3 + 0.5 * bars + 0.55
    figure = Figure(figsize=(PAGE, height), facecolor=theme.ground)
    figure.set_layout_engine("constrained", h_pad=0.03, w_pad=0.02)
    ratios = ([1.25] if camera is not None else []) + [1.3 + 0.5 * bars]
    parts = figure.subfigures(len(ratios), 1, height_ratios=ratios, squeeze=False)[:, 0]
    # One grid, so that all of them have the same time axis.
    axes, *strips = parts[-1].subplots(
        1 + bars, 1, height_ratios=[1.3, *[0.5] * bars], sharex=True, squeeze=False
    )[:, 0]
    state = "" if found.synchronised else f"\ndiscarded: {found.detail}"
    number = info.name.rpartition(":")[2].replace("_", " ")
    where = f"{info.suite} task {info.task}, {number}"
    title = "\n".join(textwrap.wrap(f"{info.instruction} ({where})", 105))
    figure.suptitle(
        title + state, fontsize=TITLE, color=theme.ink, x=0.01, ha="left", parse_math=False
    )
    if camera is not None:
        cells = parts[0].subplots(1, len(rows), squeeze=False)[0]
        for cell, row in zip(cells, rows, strict=True):
            cell.imshow(source.pixels(found.demo, camera, row))
            cell.set_title(f"{row / gripper.hz:.1f} s", fontsize=SMALL, color=theme.faint, pad=2)
            cell.set_xticks([])
            cell.set_yticks([])
            cell.spines[:].set(color=theme.faint, linewidth=0.5)
    times = [row / gripper.hz for row in range(info.length)]
    end = info.length / gripper.hz
    style_axes(axes, theme)
    axes.plot(times, 100 * gripper.width, color=theme.measured, linewidth=1.2)
    axes.set_ylabel("fingers (cm)", fontsize=SMALL, color=theme.ink)
    axes.set(xlim=(0, end), ylim=(0, 9))
    if options.rule.name != "command":
        first = gripper.width[0] if options.rule.reference == "first" else gripper.width.max()
        level = (
            options.rule.threshold_m
            if options.rule.name == "width"
            else first - options.rule.threshold_m
        )
        axes.axhline(100 * level, color=theme.ink, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            "contact below",
            (end, 100 * level),
            xytext=(-3, 2),
            textcoords="offset points",
            fontsize=SMALL,
            color=theme.ink,
            ha="right",
        )
    else:
        closing = gripper.command > 0
        axes.fill_between(
            times, 0, 0.4, where=closing.tolist(), step="post", color=theme.faint, lw=0
        )
        axes.annotate(
            "told to close",
            (0, 0.4),
            xytext=(2, 2),
            textcoords="offset points",
            fontsize=SMALL,
            color=theme.faint,
        )
    for cycle in found.cycles:
        axes.axvspan(
            cycle.contact / gripper.hz,
            cycle.release / gripper.hz,
            color=theme.grid,
            alpha=0.8,
            lw=0,
        )
    shown = found.clips or tuple(
        SkillClip(f"cycle {n}", cycle.start, cycle.end) for n, cycle in enumerate(found.cycles, 1)
    )
    pieces = [(clip.start, clip.end + 1, clip.prompt) for clip in shown]
    _bar(strips[0], pieces, "cut", end, gripper.hz, theme)
    if starts:
        edges = [0, *(row for row, _ in starts[1:]), info.length]
        pieces = [
            (edges[k], edges[k + 1], name.replace("_", " ")) for k, (_, name) in enumerate(starts)
        ]
        _bar(strips[-1], pieces, "expert", end, gripper.hz, theme)
    strips[-1].set_xlabel("s", fontsize=SMALL, color=theme.faint, labelpad=1)
    return figure


def write_views(
    source: Source,
    found: Sequence[Decomposition],
    options: Options,
    labels: dict[int, Starts],
    folder: Path,
    camera: str | None,
) -> list[Path]:
    """Writes a picture per demonstration; returns the files."""
    files = []
    for each in found:
        info = source.demos[each.demo]
        name = info.name.replace("/", "_").replace(":", "-").replace(" ", "_").removesuffix(".hdf5")
        figure = draw_demo(source, each, options, labels.get(each.demo, ()), camera)
        files.append(folder / f"{name.replace('_demo.hdf5', '')}.png")
        save_figure(figure, files[-1])
    return files


def _pictured(found: Decomposition, length: int, hz: float) -> list[int]:
    """Rows to show: first, last, contacts and releases; thinned, or filled up in between."""
    late = round(_RELEASED_S * hz)
    rows = {0, length - 1}
    for cycle in found.cycles:
        rows |= {min(cycle.contact + late, length - 1), min(cycle.release + late, length - 1)}
    ordered = sorted(rows)
    while len(ordered) < min(_PICTURES, length):
        gaps = [after - before for before, after in pairwise(ordered)]
        widest = gaps.index(max(gaps))
        ordered.insert(widest + 1, ordered[widest] + gaps[widest] // 2)
    while len(ordered) > 2:
        gaps = [ordered[k + 1] - ordered[k - 1] for k in range(1, len(ordered) - 1)]
        nearest = min(after - before for before, after in pairwise(ordered))
        if len(ordered) <= _PICTURES and nearest >= _APART_S * hz:
            break
        ordered.pop(1 + gaps.index(min(gaps)))
    return ordered


def _bar(
    axes: Axes,
    pieces: Sequence[tuple[int, int, str]],
    name: str,
    end: float,
    hz: float,
    theme: Theme,
) -> None:
    """Segments on the time axis with their words inside."""
    style_axes(axes, theme, grid="x")
    for number, (start, stop, words) in enumerate(pieces):
        left, width = start / hz, (stop - start) / hz
        colour = theme.cycle[number % (len(theme.cycle) - 1)]
        axes.barh(0, width, left=left, height=0.9, color=colour, alpha=0.28, lw=0)
        axes.barh(0, width, left=left, height=0.9, fill=False, edgecolor=colour, linewidth=0.8)
        # 7 points of DejaVu Sans are about 0.058 inch a letter; the axes are 6.2 inches wide.
        letters = max(int(width / end * 6.2 / 0.058), 4)
        lines = textwrap.wrap(words, letters)
        if len(lines) > 3:
            lines = [*lines[:2], lines[2][: max(letters - 1, 1)] + "…"]
        axes.text(
            left + width / 2,
            0,
            "\n".join(lines),
            fontsize=SMALL,
            color=theme.ink,
            ha="center",
            va="center",
            parse_math=False,
        )
    axes.set(xlim=(0, end), ylim=(-0.6, 0.6), yticks=[])
    axes.set_ylabel(name, fontsize=SMALL, color=theme.ink)
