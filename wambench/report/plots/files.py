"""All plots of a leaderboard as files beside each other, and as pictures for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from wambench.report.html import data_uri
from wambench.report.leaderboard_rows import Row, panels_of
from wambench.report.plots.cost import draw_inference, draw_wall_clock
from wambench.report.plots.learning import draw_learning
from wambench.report.plots.outcomes import draw_outcomes
from wambench.report.plots.rates import draw_rates
from wambench.report.plots.style import (
    DARK,
    LIGHT,
    Theme,
    check_suffix,
    render_figure,
    save_figure,
)
from wambench.report.plots.tasks import draw_tasks
from wambench.report.published import PublishedRow


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure.

    Attributes:
        name: What its file's name ends with; empty for the leaderboard itself.
        caption: What it shows.
        figure: The figure; None where the runs have nothing to show in it.
        reason: Why there is no figure.
    """

    name: str
    caption: str
    figure: Figure | None
    reason: str = ""


def draw_all(
    rows: Sequence[Row], reported: Sequence[PublishedRow], theme: Theme = LIGHT
) -> Iterator[Plot]:
    """Every plot of a leaderboard, the leaderboard itself first."""
    yield Plot("", "Success rate with 95 % intervals", draw_rates(rows, reported, theme))
    for panel in panels_of(rows):
        name = f"tasks-{panel.suite}-{panel.backend}"
        caption = f"Success rate by task, {panel.short_title}"
        yield Plot(name, caption, draw_tasks(panel, rows, theme), "no task has a rate")
    yield Plot("outcomes", "What became of the planned episodes", draw_outcomes(rows, theme))
    yield Plot(
        "inference",
        "Success rate against policy time per chunk, a batch's time shared among its episodes",
        draw_inference(rows, theme),
        "no run has timed chunks and a rate (privileged policies are not asked by chunk)",
    )
    yield Plot(
        "wall-clock",
        "Success rate against wall-clock time per episode",
        draw_wall_clock(rows, theme),
        "no run has a rate",
    )
    yield Plot(
        "learning",
        "Success rate of several checkpoints",
        draw_learning(rows, theme),
        "no policy has two checkpoints with a rate",
    )


def write_plots(
    rows: Sequence[Row], reported: Sequence[PublishedRow], file: Path
) -> tuple[list[Path], list[str]]:
    """Writes the leaderboard into a file, and the other plots beside it.

    Args:
        rows: As `collect` returns them.
        reported: Published rows; may be empty.
        file: Ends in .png, .pdf or .svg; `out.pdf` brings `out-outcomes.pdf` and so on.

    Returns:
        The files, and for each plot that has nothing to show one line that says why.

    Raises:
        UsageError: The suffix names no picture format.
        RunDirectoryError: A file cannot be written.
    """
    check_suffix(file)
    written, left_out = [], []
    for plot in draw_all(rows, reported):
        path = file.with_name(f"{file.stem}-{plot.name}{file.suffix}") if plot.name else file
        if plot.figure is None:
            left_out.append(f"{path.name}: {plot.reason}")
        else:
            save_figure(plot.figure, path)
            written.append(path)
    return written, left_out


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot for a page.

    Attributes:
        name: As `Plot.name`.
        caption: What it shows.
        light: Address that holds the picture, for light ground.
        dark: The same for dark ground.
        width: Inches.
    """

    name: str
    caption: str
    light: str
    dark: str
    width: float


def pictures(rows: Sequence[Row], reported: Sequence[PublishedRow]) -> list[Picture]:
    """Every plot that has something to show, for light and for dark pages."""
    both = zip(draw_all(rows, reported, LIGHT), draw_all(rows, reported, DARK), strict=True)
    return [
        Picture(
            name=light.name or "rates",
            caption=light.caption,
            light=data_uri(render_figure(light.figure, "svg"), "image/svg+xml"),
            dark=data_uri(render_figure(dark.figure, "svg"), "image/svg+xml"),
            width=light.figure.get_size_inches()[0],
        )
        for light, dark in both
        if light.figure is not None and dark.figure is not None
    ]
