"""The contact sheet: one HTML file that shows demonstrations, their videos and their actions.

Everything is inside the file: videos as H.264 of all cameras side by side at real time, actions as
SVG, one panel per dimension over the same time axis, with a line that follows the video.
"""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from wambench.demos.demo import DemoInfo, Source
from wambench.demos.summary import DataSummary, TaskSummary, summarise_data
from wambench.errors import DataError
from wambench.report.video import write_mp4

PANEL_HEIGHT = 44.0
"""Height of one action panel in SVG units; the plot is 600 wide."""

PLOT_WIDTH = 600.0
_SMALLEST_SIDE = 192
"""Smaller pictures are enlarged by whole factors, so that the codec keeps their pixels."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One action dimension.

    Attributes:
        name: Its name.
        low: Value at the bottom.
        high: Value at the top.
        label: SVG path of the recorded actions.
        executed: SVG path of the executed ones; empty where they are the same.
        top: Upper edge in SVG units.
        zero: Height of the line of zero, None where it is outside.
    """

    name: str
    low: float
    high: float
    label: str
    executed: str
    top: float
    zero: float | None


@dataclass(frozen=True, slots=True)
class Card:
    """One demonstration.

    Attributes:
        demo: The demonstration.
        video: The video as base64; empty where there are no pictures.
        panels: One per action dimension.
        height: Of the plot in SVG units.
        seconds: Its duration.
        prologue: Where its prologue ends, in SVG units; 0 where it has none.
        ticks: (seconds, x in SVG units) of the time axis.
    """

    demo: DemoInfo
    video: str
    panels: tuple[Panel, ...]
    height: float
    seconds: float
    prologue: float
    ticks: tuple[tuple[float, float], ...]


def write_sheet(
    source: Source, path: Path, *, per_task: int = 3, tasks: Sequence[int] | None = None
) -> Path:
    """Writes the contact sheet of a dataset.

    Args:
        source: The dataset.
        path: The file to write.
        per_task: Most demonstrations shown of each task; the first ones.
        tasks: Task indices; None for all.

    Raises:
        DataError: Nothing is left to show, or the file cannot be written.
    """
    summary = summarise_data(source)
    shown = [task for task in summary.tasks if tasks is None or task.task in tasks]
    if not shown or per_task < 1:
        raise DataError(f"{source.path} has nothing of that to show.", "See `wambench data info`.")
    chosen = [
        [
            index
            for index, demo in enumerate(source.demos)
            if (demo.suite, demo.task, demo.instruction)
            == (task.suite, task.task, task.instruction)
        ][:per_task]
        for task in shown
    ]
    limits = _limits(source, [index for indices in chosen for index in indices])
    groups = [
        (task, [_card(source, index, limits) for index in indices])
        for task, indices in zip(shown, chosen, strict=True)
    ]
    page = _render(source, summary, groups)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"Cannot write {path}: {error.strerror}.", "Choose another --out."
        ) from error
    return path


def _render(
    source: Source, summary: DataSummary, groups: Sequence[tuple[TaskSummary, list[Card]]]
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wambench.demos"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("sheet.html.j2").render(
        name=source.path.name,
        summary=summary,
        groups=groups,
        suites=", ".join(sorted({task.suite for task, _ in groups})),
        demos=len(source.demos),
        frames=sum(demo.length for demo in source.demos),
        noise=max(summary.noise) > 0,
        panel_height=PANEL_HEIGHT,
        plot_width=PLOT_WIDTH,
        about={name: ", ".join(map(str, values)) for name, values in summary.about.items()},
    )


def _limits(source: Source, indices: Sequence[int]) -> list[tuple[float, float]]:
    """Values at the bottom and top of each panel: round ones, the same in all plots."""
    rows = []
    for index in indices:
        length = source.demos[index].length
        rows += [source.actions(index, 0, length), source.executed_actions(index, 0, length)]
    values = np.concatenate(rows).astype(np.float64)
    low, high = np.minimum(values.min(axis=0), 0), np.maximum(values.max(axis=0), 0)
    return [
        (-_rounded_up(-least), _rounded_up(most)) if most > least else (-1.0, 1.0)
        for least, most in zip(low, high, strict=True)
    ]


def _rounded_up(value: float) -> float:
    """The least number with one digit, or half of one, that is not below `value`."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value)) / 2
    return float(math.ceil(round(value / unit, 6)) * unit)


def _card(source: Source, index: int, limits: Sequence[tuple[float, float]]) -> Card:
    demo = source.demos[index]
    labels = np.asarray(source.actions(index, 0, demo.length), np.float64)
    executed = np.asarray(source.executed_actions(index, 0, demo.length), np.float64)
    width = labels.shape[1]
    names = demo.action_names if len(demo.action_names) == width else tuple(map(str, range(width)))
    panels = []
    for d, (low, high) in enumerate(limits):
        top = d * PANEL_HEIGHT
        different = demo.noise > 0 and not np.array_equal(labels[:, d], executed[:, d])
        panels.append(
            Panel(
                name=names[d],
                low=low,
                high=high,
                label=_steps(labels[:, d], low, high, top),
                executed=_steps(executed[:, d], low, high, top) if different else "",
                top=top,
                zero=_height(0.0, low, high, top) if low < 0 < high else None,
            )
        )
    seconds = demo.length / demo.control_hz
    return Card(
        demo=demo,
        video=_video(source, index),
        panels=tuple(panels),
        height=width * PANEL_HEIGHT,
        seconds=seconds,
        prologue=demo.prologue / demo.length * PLOT_WIDTH,
        ticks=tuple((t, t / seconds * PLOT_WIDTH) for t in _ticks(seconds)),
    )


def _height(value: float, low: float, high: float, top: float) -> float:
    usable = PANEL_HEIGHT - 4
    return top + 2 + usable * (1 - (value - low) / (high - low))


def _steps(values: NDArray[np.float64], low: float, high: float, top: float) -> str:
    """An SVG path that holds each value for the length of its control step."""
    width = PLOT_WIDTH / len(values)
    parts = []
    for step, value in enumerate(values):
        y = _height(value, low, high, top)
        parts.append(f"{'L' if step else 'M'}{step * width:.1f} {y:.1f}H{(step + 1) * width:.1f}")
    return "".join(parts)


def _ticks(seconds: float) -> list[float]:
    """Round times, at most seven of them."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300):
        if seconds / step <= 7:
            break
    return [i * step for i in range(int(seconds / step) + 1)]


def _video(source: Source, index: int) -> str:
    demo = source.demos[index]
    if not demo.cameras:
        return ""
    height = max(size[0] for size in demo.cameras.values())
    factor = max(-(-_SMALLEST_SIDE // height), 1)
    frames = []
    for row in range(demo.length):
        pictures = [_padded(source.pixels(index, c, row), height) for c in demo.cameras]
        frame = np.concatenate(pictures, axis=1).repeat(factor, axis=0).repeat(factor, axis=1)
        frames.append(_even(frame))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demo.mp4"
        write_mp4(file, frames, Fraction(demo.control_hz).limit_denominator(1000))
        return base64.b64encode(file.read_bytes()).decode()


def _padded(image: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """The picture with black below it, so that pictures of different heights stand side by side."""
    return np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0)))


def _even(image: NDArray[Any]) -> NDArray[np.uint8]:
    """H.264 needs even sides."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(np.pad(image, ((0, height % 2), (0, width % 2), (0, 0))))
