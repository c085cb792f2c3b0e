"""What all plots share: sizes, colours, and how a figure becomes a file.

Sizes are those of a two-column paper (IEEE and NeurIPS workshop templates: columns of 3.3 to 3.5
inches, 7 across the page); no text is smaller than 7 points at that size. Colours are those of
Okabe and Ito (2008), lighter ones of the same hues on dark ground; what a colour says, a marker or
a hatch says as well.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from wambench.errors import UsageError
from wambench.results.run import explained

COLUMN, PAGE = 3.3, 7.0
"""Width in inches of one column of a paper, and of both."""

SMALL, NORMAL, TITLE = 7.0, 7.5, 8.5
"""Sizes of text in points."""

SUFFIXES = (".png", ".pdf", ".svg")

MARKERS = "osD^vPX*"

PRIVILEGED = "sees simulator state"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a plot.

    Attributes:
        name: `light` or `dark`.
        ground: Behind everything.
        ink: Text and whiskers.
        faint: Secondary text.
        grid: Grid lines.
        measured: A measured run.
        privileged: A measured run of a policy that sees the simulator's state.
        published: A number from a paper.
        cycle: One colour per policy where policies are told apart.
        outcomes: Colour of each key of `wambench.report.outcomes.LABELS`.
    """

    name: str
    ground: str
    ink: str
    faint: str
    grid: str
    measured: str
    privileged: str
    published: str
    cycle: tuple[str, ...]
    outcomes: dict[str, str]


LIGHT = Theme(
    name="light",
    ground="#ffffff",
    ink="#1d2833",
    faint="#566472",
    grid="#dde2e7",
    measured="#0072b2",
    privileged="#c06a00",
    published="#7b858f",
    cycle=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1d2833"),
    outcomes={
        "success": "#0072b2",
        "failure": "#e69f00",
        "policy_error": "#d55e00",
        "env_error": "#cc79a7",
        "infeasible": "#7b858f",
        "not_run": "#ffffff",
    },
)

DARK = Theme(
    name="dark",
    ground="#14171b",
    ink="#e6eaee",
    faint="#9aa7b4",
    grid="#333b44",
    measured="#4aa8e0",
    privileged="#f0a83c",
    published="#98a3ad",
    cycle=("#4aa8e0", "#ff7a3d", "#2fc498", "#e08fc0", "#f0b43c", "#a5dcff", "#e6eaee"),
    outcomes={
        "success": "#4aa8e0",
        "failure": "#e69f00",
        "policy_error": "#ff7a3d",
        "env_error": "#e08fc0",
        "infeasible": "#98a3ad",
        "not_run": "#14171b",
    },
)

HATCHES = {"policy_error": "xxxx", "env_error": "....", "infeasible": "\\\\\\\\", "not_run": "////"}
"""Hatches of the outcomes that do not count: they are told apart without colour as well."""

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "pdf.fonttype": 42,  # text stays text; journals refuse type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "wambench",
    "hatch.linewidth": 0.6,
    "axes.unicode_minus": False,
}


def check_suffix(path: Path) -> None:
    """Refuses a file name whose suffix names no picture format.

    Raises:
        UsageError: With the formats there are.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"A plot cannot be written as {path.name}.", f"Use one of {', '.join(SUFFIXES)}."
        )


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure in the format that the suffix names; the same figure gives the same bytes.

    Raises:
        UsageError: The suffix names no known format.
        RunDirectoryError: The file cannot be written.
    """
    check_suffix(path)
    content = render_figure(figure, path.suffix.lower()[1:])
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def render_figure(figure: Figure, kind: str) -> bytes:
    """A figure as `png` (300 dpi), `pdf` or `svg`."""
    dates = {"png": None, "pdf": "CreationDate", "svg": "Date"}[kind]
    buffer = io.BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(
            buffer,
            format=kind,
            dpi=300,
            facecolor=figure.get_facecolor(),
            metadata={dates: None} if dates else None,
        )
    return buffer.getvalue()


def style_axes(axes: Axes, theme: Theme, *, grid: str = "both") -> None:
    """Ground, spines, ticks and grid of a plot."""
    axes.set_facecolor(theme.ground)
    axes.tick_params(labelsize=SMALL, colors=theme.faint, length=2.5, width=0.6)
    axes.grid(axis=grid, color=theme.grid, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=theme.faint, linewidth=0.6)


def panel_grid(
    titles: Sequence[str], panel_height: float, theme: Theme, *, legend_lines: int = 0
) -> tuple[Figure, list[Axes]]:
    """One column for one panel, else two panels beside each other across the page.

    Args:
        titles: One per panel.
        panel_height: Inches.
        theme: Colours.
        legend_lines: Lines of text to leave room for below.
    """
    columns = min(len(titles), 2)
    lines = -(-len(titles) // 2) if columns == 2 else len(titles)
    size = (PAGE if columns == 2 else COLUMN, panel_height * lines + 0.16 * legend_lines)
    figure = Figure(figsize=size, facecolor=theme.ground)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.05)
    cells = figure.subplots(lines, columns, squeeze=False).ravel()
    for cell in cells[len(titles) :]:
        figure.delaxes(cell)
    panels = list(cells[: len(titles)])
    for axes, title in zip(panels, titles, strict=True):
        style_axes(axes, theme)
        axes.set_title(
            title, loc="left", fontsize=TITLE, fontweight="bold", color=theme.ink, parse_math=False
        )
    return figure, panels


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """Inches that a text takes."""
    if not text.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight=weight, size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing glyph is told of once, where it is drawn
        width, _, _ = text_to_path.get_text_width_height_descent(printable(text), font, False)
    return float(width) / 72


def shorten(text: str, width: float, size: float = SMALL, weight: str = "normal") -> str:
    """Cuts a text from the left to a width in inches: the end of a path tells more."""
    if text_width(text, size, weight) <= width + 1e-6:  # the widest label decides its own room
        return text
    start = 1
    while start < len(text) and text_width("…" + text[start:], size, weight) > width:
        start += 1
    return "…" + text[start:]


def printable(text: str) -> str:
    """The text with control characters, which no picture format may hold, made visible."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown.encode("utf-8", "replace").decode()
