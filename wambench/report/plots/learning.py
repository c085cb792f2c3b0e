"""Learning curves: several checkpoints of one policy, success against training step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from wambench.report.leaderboard_rows import Row, panels_of
from wambench.report.plots.series import Series, add_legend, legend_lines
from wambench.report.plots.style import (
    LIGHT,
    MARKERS,
    NORMAL,
    SMALL,
    Theme,
    panel_grid,
    printable,
    shorten,
)

_PANEL_HEIGHT = 2.1

_UNIT = r"epochs?|(?:global_?)?steps?|iter(?:ation)?s?|updates?|ckpt|checkpoint"
_NUMBERED = re.compile(
    rf"(?:^|[-_.])(?P<unit>{_UNIT})[-_=]?(?P<number>\d+)(?P<factor>[km]?)(?=$|[-_.])"
    rf"|(?:^|[-_.])(?P<number2>\d+)(?P<factor2>[km]?)[-_]?(?P<unit2>{_UNIT})(?=$|[-_.])"
    r"|^(?P<number3>\d+)(?P<factor3>[km]?)(?=$|\.)",
    re.IGNORECASE,
)
"""`step_2000`, `ckpt-20k`, `epoch=3`, `20000_steps`, or a folder called `020000`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a checkpoint has been trained, as its name says.

    Attributes:
        number: Steps or epochs.
        unit: `step` or `epoch`.
        family: The name with the number taken out; checkpoints of one training share it.
    """

    number: int
    unit: str
    family: str


def training_progress(arguments: Mapping[str, Any]) -> Progress | None:
    """Reads the step off the argument `checkpoint`; None where its name has none.

    The part of the path nearest to its end that has a number decides.
    """
    parts = PurePath(str(arguments.get("checkpoint", ""))).parts
    for index in range(len(parts) - 1, -1, -1):
        found = list(_NUMBERED.finditer(parts[index]))
        if found:
            groups = found[-1].groupdict()
            which = next(which for which in ("number", "number2", "number3") if groups[which])
            tail = which.removeprefix("number")
            unit = groups.get(f"unit{tail}") or "step"
            factor = {"": 1, "k": 1_000, "m": 1_000_000}[(groups[f"factor{tail}"] or "").lower()]
            start, end = found[-1].span(which)
            name = f"{parts[index][:start]}#{parts[index][end:]}"
            return Progress(
                number=int(groups[which]) * factor,
                unit="epoch" if unit.lower().startswith("epoch") else "step",
                family="/".join((*parts[:index], name, *parts[index + 1 :])),
            )
    return None


@dataclass(frozen=True, slots=True)
class Curve:
    """Several checkpoints of one policy on one suite and backend.

    Attributes:
        name: What tells the curve apart.
        unit: `step`, `epoch`, or empty where names have no number and the order given counts.
        points: (step or position from 1, the run), by the first.
    """

    name: str
    unit: str
    points: tuple[tuple[int, Row], ...]


def learning_curves(rows: Sequence[Row]) -> list[Curve]:
    """The curves with at least two different checkpoints.

    Runs belong to one curve when policy, other arguments, seed and trials are the same and the
    names of the checkpoints differ in their number alone. Where no name has a number, all
    checkpoints of a policy are taken in the order in which the runs were given.
    """
    groups: dict[tuple[Any, ...], list[tuple[int, Row]]] = {}
    for row in sorted(rows, key=lambda row: row.order):
        if "checkpoint" not in row.arguments or row.summary.rate is None:
            continue
        progress = training_progress(row.arguments)
        unit, family = (progress.unit, progress.family) if progress else ("", "")
        rest = ", ".join(
            f"{name}={value}"
            for name, value in sorted(row.arguments.items())
            if name != "checkpoint"
        )
        key = (
            row.suite,
            row.backend,
            row.policy,
            rest,
            row.seed,
            row.trials_per_task,
            unit,
            family,
        )
        group = groups.setdefault(key, [])
        group.append((progress.number if progress else len(group) + 1, row))
    curves = []
    seeds = {key[4] for key in groups}
    for (_, _, policy, rest, seed, _, unit, family), points in groups.items():
        if len({str(row.arguments["checkpoint"]) for _, row in points}) > 1:
            several = len({key[7] for key in groups if key[2] == policy}) > 1
            parts = [policy, family if several else "", rest]
            parts.append(f"seed {seed}" if len(seeds) > 1 else "")
            name = ", ".join(part for part in parts if part)
            in_order = tuple(sorted(points, key=lambda point: (point[0], point[1].order)))
            curves.append(Curve(name, unit, in_order))
    return curves


def draw_learning(rows: Sequence[Row], theme: Theme = LIGHT) -> Figure | None:
    """Success rate against training progress; None where no policy has two checkpoints."""
    curves = learning_curves(rows)
    in_curves = [row for curve in curves for _, row in curve.points]
    if not in_curves:
        return None
    in_curves.sort(key=rows.index)
    panels = panels_of(in_curves)
    names = list(dict.fromkeys(curve.name for curve in curves))
    looks = {
        name: Series(name, "", theme.cycle[i % len(theme.cycle)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }
    wide = len(panels) > 1
    used = list(looks.values())
    figure, all_axes = panel_grid(
        [panel.short_title for panel in panels],
        _PANEL_HEIGHT,
        theme,
        legend_lines=legend_lines(used, wide),
    )
    for panel, axes in zip(panels, all_axes, strict=True):
        inside = [
            curve
            for curve in curves
            if (curve.points[0][1].suite, curve.points[0][1].backend)
            == (panel.suite, panel.backend)
        ]
        for curve in inside:
            _draw_curve(axes, curve, looks[curve.name], theme)
        _label_axes(axes, inside, theme)
    add_legend(figure, used, theme, wide)
    return figure


def _draw_curve(axes: Axes, curve: Curve, look: Series, theme: Theme) -> None:
    positions = [position for position, _ in curve.points]
    rates = [100 * (row.summary.rate or 0.0) for _, row in curve.points]
    intervals = [row.summary.interval for _, row in curve.points]
    axes.errorbar(
        positions,
        rates,
        [
            [rate - 100 * low for rate, (low, _) in zip(rates, intervals, strict=True)],
            [100 * high - rate for rate, (_, high) in zip(rates, intervals, strict=True)],
        ],
        fmt=look.marker,
        # A line where a step is known; the order given alone is no progress.
        linestyle="-" if curve.unit else "none",
        linewidth=1.1,
        markersize=4,
        color=look.colour,
        elinewidth=0.8,
        capsize=2,
        capthick=0.8,
    )


def _label_axes(axes: Axes, curves: Sequence[Curve], theme: Theme) -> None:
    units = sorted({curve.unit for curve in curves})
    if units == [""]:
        axes.set_xlabel("checkpoints in the order given", fontsize=NORMAL, color=theme.ink)
        longest = max(curves, key=lambda curve: len(curve.points))
        names = [
            printable(shorten(str(row.arguments["checkpoint"]), 2.4 / len(longest.points)))
            for _, row in longest.points
        ]
        if len(curves) == 1:
            positions = range(1, len(names) + 1)
            axes.set_xticks(positions, names, fontsize=SMALL, parse_math=False)
        axes.set_xlim(0.5, len(names) + 0.5)
    else:
        words = {"step": "training step", "epoch": "epoch", "": "position in the order given"}
        label = ", ".join(words[unit] for unit in units)
        axes.set_xlabel(label, fontsize=NORMAL, color=theme.ink)
        axes.xaxis.set_major_formatter(EngFormatter(sep="", places=None))
    axes.set_ylim(-4, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.set_ylabel("success rate, %", fontsize=NORMAL, color=theme.ink)
