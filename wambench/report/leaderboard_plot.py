"""The leaderboard as a picture: one panel per suite and backend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from wambench.report.console import format_rate
from wambench.report.leaderboard_rows import BACKENDS, Panel, Row, panels_of
from wambench.report.published import PublishedRow

PUBLISHED = "published, official assets"

_MEASURED_COLOUR = "#2f6f9f"
_PRIVILEGED_COLOUR = "#c9822b"
_PUBLISHED_COLOUR = "#8a8f98"
_INK = "#22313f"
_FAINT = "#5d6873"
_MARK = "#a33b20"

# Everything is placed in inches, so that text keeps its room whatever the number of rows.
_BARS, _RIGHT = 4.2, 1.25
"""Widths of bars and values of a panel; that of the labels depends on them."""
_TITLE, _AXIS = 0.45, 0.6
"""Heights above and below the bars of a panel."""
_LEGEND = 0.5
_BAR = 0.2
_LINE = 0.125
"""Height of a line of small text."""
_PUBLISHED_ROW = 0.17
_GAP = 0.12


def draw_leaderboard(rows: Sequence[Row], reported: Sequence[PublishedRow]) -> Figure:
    """One panel per suite and backend: measured runs, and below a line what papers report."""
    panels = panels_of(rows, reported)
    grid = _arrange(panels)
    lines = [max(_panel_height(panel) for panel in line if panel) for line in grid]
    labels = max(_label_width(panel) for panel in panels)
    panel_width = labels + _BARS + _RIGHT
    width = panel_width * len(grid[0])
    height = sum(lines) + (_TITLE + _AXIS) * len(grid) + _LEGEND
    figure = Figure(figsize=(width, height))
    top = 0.0
    for line, line_height in zip(grid, lines, strict=True):
        for column, panel in enumerate(line):
            if panel is not None:
                tall = _panel_height(panel)
                left, bottom = column * panel_width + labels, height - top - _TITLE - tall
                box = (left / width, bottom / height, _BARS / width, tall / height)
                _draw_panel(figure.add_axes(box), panel, labels)
        top += _TITLE + line_height + _AXIS
    figure.legend(
        handles=_legend(rows, reported=any(panel.reported for panel in panels)),
        loc="lower center",
        ncols=2 * len(grid[0]),
        frameon=False,
        fontsize=7.5,
        labelcolor=_INK,
    )
    return figure


def _arrange(panels: Sequence[Panel]) -> list[list[Panel | None]]:
    """Official left and embedded right, a line per suite; else two suites per line."""
    if len({panel.backend for panel in panels}) == 2:
        place = {(panel.suite, panel.backend): panel for panel in panels}
        suites = dict.fromkeys(panel.suite for panel in panels)
        return [[place.get((suite, backend)) for backend in BACKENDS] for suite in suites]
    if len(panels) == 1:
        return [list(panels)]
    padded = [*panels, *[None] * (len(panels) % 2)]
    return [list(padded[i : i + 2]) for i in range(0, len(padded), 2)]


def _details(row: Row, name_manifest: bool) -> list[str]:
    """Lines of small text under a policy's name, without its marks."""
    manifest = f" · manifest {row.manifest}" if name_manifest else ""
    arguments = [_keep_end(row.policy_arguments, 50)] if row.policy_arguments else []
    return [*arguments, f"seed {row.seed}{manifest}"]


def _run_height(row: Row) -> float:
    return 0.3 + _LINE * (len(_details(row, False)) + bool(row.marks))


def _label_width(panel: Panel) -> float:
    """Inches that the longest text left of the bars takes, by the mean width of a letter."""
    large = [_keep_end(row.policy, 40) for row in panel.rows]
    small = [line for row in panel.rows for line in _details(row, panel.several_manifests)]
    small += ["; ".join(row.marks) for row in panel.rows]
    small += [text for row in panel.reported for text in (row.method, row.source)]
    return max(0.085 * max(map(len, large)), 0.063 * max(map(len, small)), 1.2) + 0.3


def _published_heading(panel: Panel) -> list[str]:
    heading = [f"{PUBLISHED}, not measured here"]
    if panel.backend != "official":
        heading.append(f"not comparable with the {panel.backend} backend above")
    return heading


def _panel_height(panel: Panel) -> float:
    """Inches that a panel's rows take."""
    height = sum(_run_height(row) for row in panel.rows)
    if panel.reported:
        sources = len({row.source for row in panel.reported})
        height += 2 * _GAP + _PUBLISHED_ROW * (len(_published_heading(panel)) + len(panel.reported))
        height += (_GAP + _PUBLISHED_ROW) * sources
    return height


def _draw_panel(ax: Axes, panel: Panel, labels: float) -> None:
    ax.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", color=_INK)
    ax.set_xlim(0, 100)
    ax.set_ylim(_panel_height(panel), 0)
    ax.set_yticks([])
    ax.set_xticks(range(0, 101, 20))
    ax.tick_params(axis="x", labelsize=7.5, colors=_FAINT)
    ax.set_xlabel("success rate, %", fontsize=8, color=_FAINT)
    ax.grid(axis="x", color="#dfe3e7", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.patch.set_alpha(0)  # lets the published rows' ground show, which is wider than the bars
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#b9bfc6")
    top = 0.0
    for row in panel.rows:
        _draw_run(ax, row, top, panel.several_manifests)
        top += _run_height(row)
    if panel.reported:
        _draw_published(ax, panel, top, labels)


def _draw_run(ax: Axes, row: Row, top: float, name_manifest: bool) -> None:
    """A filled bar with its interval.

    A run has no rate while episodes are missing; its bar is pale and ends at the lower bound.
    """
    summary = row.summary
    colour = _PRIVILEGED_COLOUR if row.privileged else _MEASURED_COLOUR
    rate = 100 * (summary.bounds[0] if summary.rate is None else summary.rate)
    low, high = (100 * bound for bound in summary.interval)
    middle = top + _run_height(row) / 2
    (bar,) = ax.barh(
        middle,
        rate,
        height=_BAR,
        facecolor=colour if summary.complete else _pale(colour),
        edgecolor=colour,
    )
    bar.set_gid("measured")
    if summary.rate is not None:
        ax.errorbar(
            rate,
            middle,
            xerr=[[rate - low], [high - rate]],
            fmt="o",
            markersize=3.5,
            color=_INK,
            elinewidth=1.2,
            capsize=3,
            clip_on=False,
        )
    y = top + 0.16
    _write_left(ax, y, _keep_end(row.policy, 40), size=9, colour=_INK)
    y += 0.03
    for detail in _details(row, name_manifest):
        y += _LINE
        _write_left(ax, y, detail, size=6.8, colour=_FAINT)
    if row.marks:
        _write_left(ax, y + _LINE, "; ".join(row.marks), size=6.8, colour=_MARK)
    value = f"{rate:.1f} %"
    if summary.rate is None:
        value = format_rate(summary) if summary.trials else "nothing counts"
    counts = f"{summary.successes}/{summary.trials}  [{low:.1f}, {high:.1f}]"
    _write_right(ax, middle - 0.065, value, size=9, colour=_INK)
    _write_right(ax, middle + 0.075, counts, size=6.8, colour=_FAINT)


def _draw_published(ax: Axes, panel: Panel, top: float, labels: float) -> None:
    """Hollow hatched bars on a ground of their own, under a line and a heading."""
    left, right = (0.1 - labels) / _BARS, (_BARS + _RIGHT - 0.1) / _BARS
    across = ax.get_yaxis_transform()
    ground = Rectangle(
        (left, top + _GAP / 2),
        right - left,
        _panel_height(panel) - top - _GAP / 2,
        transform=across,
        facecolor="#f3f4f6",
        clip_on=False,
        zorder=-1,
    )
    ax.add_patch(ground)
    ax.plot([left, right], 2 * [top + _GAP / 2], transform=across, color=_INK, lw=1, clip_on=False)
    y = top + _GAP
    for line in _published_heading(panel):
        y += _PUBLISHED_ROW
        ax.text(1, y, line, va="center", fontsize=7.8, fontweight="bold", color=_FAINT)
    for source, group in groupby(panel.reported, key=lambda row: row.source):
        y += _GAP + _PUBLISHED_ROW
        _write_left(ax, y, source, size=7.5, colour=_INK, style="italic")
        for row in group:
            y += _PUBLISHED_ROW
            rate = 100 * row.success_rate
            (bar,) = ax.barh(
                y,
                rate,
                height=0.55 * _PUBLISHED_ROW,
                facecolor="none",
                edgecolor=_PUBLISHED_COLOUR,
                hatch="/////",
                linewidth=0.8,
            )
            bar.set_gid("published")
            _write_left(ax, y, row.method, size=7.2, colour=_FAINT)
            _write_right(ax, y, f"{rate:.1f} %", size=7.2, colour=_FAINT)


def _write_left(
    ax: Axes, y: float, text: str, *, size: float, colour: str, style: str = "normal"
) -> None:
    """Text that ends just left of the bars."""
    ax.text(
        -0.1 / _BARS,
        y,
        text,
        transform=ax.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=size,
        color=colour,
        fontstyle=style,
        parse_math=False,
    )


def _write_right(ax: Axes, y: float, text: str, *, size: float, colour: str) -> None:
    """Text that begins just right of the bars."""
    ax.text(
        1 + 0.12 / _BARS,
        y,
        text,
        transform=ax.get_yaxis_transform(),
        va="center",
        fontsize=size,
        color=colour,
    )


def _legend(rows: Sequence[Row], *, reported: bool) -> list[Patch]:
    """One entry for each look that occurs."""
    entries = []
    if any(not row.privileged for row in rows):
        entries.append(Patch(color=_MEASURED_COLOUR, label="measured, Wilson 95 % interval"))
    if any(row.privileged for row in rows):
        entries.append(Patch(color=_PRIVILEGED_COLOUR, label="measured, sees simulator state"))
    if any(not row.summary.complete for row in rows):
        ground = _pale(_MEASURED_COLOUR)
        entries.append(Patch(fc=ground, ec=_MEASURED_COLOUR, label="pale: run incomplete"))
    if reported:
        entries.append(Patch(fc="none", ec=_PUBLISHED_COLOUR, hatch="/////", label=PUBLISHED))
    return entries


def _pale(colour: str) -> tuple[float, ...]:
    """The colour mixed with white."""
    return tuple(0.35 * part + 0.65 for part in to_rgb(colour))


def _keep_end(text: str, width: int) -> str:
    """Shortens from the left: the end of a path or a list of arguments tells more."""
    return text if len(text) <= width else "…" + text[1 - width :]
