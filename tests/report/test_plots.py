"""The plots: what stands on which axes, and that it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from report_support import MakeRun, band_texts, outcomes
from wambench.errors import UsageError
from wambench.report.leaderboard_rows import Row, collect, panels_of
from wambench.report.outcomes import outcome_parts
from wambench.report.plots.cost import draw_inference, draw_wall_clock
from wambench.report.plots.files import draw_all, write_plots
from wambench.report.plots.learning import draw_learning, learning_curves, training_progress
from wambench.report.plots.outcomes import draw_outcomes
from wambench.report.plots.rates import draw_rates
from wambench.report.plots.style import (
    COLUMN,
    DARK,
    LIGHT,
    PAGE,
    render_figure,
    save_figure,
    shorten,
    text_width,
)
from wambench.report.plots.tasks import draw_tasks
from wambench.report.published import PublishedRow, published_rows


def reported() -> list[PublishedRow]:
    return published_rows(["libero_goal"])


def several_rows(make_run: MakeRun) -> list[Row]:
    """Runs of everything that looks different, on two backends and two suites."""
    runs = [
        make_run("plain", outcomes(7, 12), tasks=4),
        make_run("expert", outcomes(12, 12), policy="expert", privileged=True, tasks=4),
        make_run("cut", ["success", *outcomes(1, 10), None], policy="cut_short", tasks=4),
        make_run(
            "errors", ["env_error", "policy_error", "infeasible", *outcomes(1, 3)], policy="broken"
        ),
        make_run("embedded", outcomes(3, 12), backend="embedded", tasks=4),
        make_run("object", outcomes(9, 12), suite="libero_object", tasks=4),
        *(
            make_run(
                f"step{step}",
                outcomes(successes, 12),
                arguments={"checkpoint": f"train/a/step_{step}"},
                policy="lac_wm",
                tasks=4,
            )
            for step, successes in ((1000, 2), (2000, 8), (10000, 11))
        ),
    ]
    return collect(runs)


def texts_of(figure: Figure) -> Iterator[Text]:
    """Every text that is drawn."""
    figure.draw_without_rendering()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            # Ticks outside of the limits exist but are not drawn.
            drawn = {tick.label1 for tick in axis._update_ticks()}
            hidden |= {tick.label1 for tick in (*axis.majorTicks, *axis.minorTicks)} - drawn
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            yield text


# ---- backends and published numbers ----------------------------------------------------------


def test_official_and_embedded_and_published_never_share_axes(make_run: MakeRun) -> None:
    rows = collect(
        [
            make_run("a", outcomes(1, 4), policy="on_official"),
            make_run("b", outcomes(4, 4), policy="on_embedded", backend="embedded"),
        ]
    )
    figure = draw_rates(rows, reported())
    assert [axes.get_label() for axes in figure.axes] == [
        "libero_goal · backend official",
        "libero_goal · backend embedded",
        "libero_goal · published",
    ]
    kinds = [{str(line.get_gid()) for line in axes.lines if line.get_gid()} for axes in figure.axes]
    assert kinds == [{"measured"}, {"measured"}, {"published"}]
    texts = band_texts(figure)
    assert "on_official" in texts["official"]
    assert "on_embedded" in texts["embedded"]
    assert "Fast-WAM" in texts["published"]
    assert "on_embedded" not in texts["official"] + texts["published"]
    assert any("official assets" in text for text in texts["published"])
    assert len(figure.axes[2].lines) >= len(reported())


def test_every_other_plot_has_axes_of_its_own_for_every_backend(make_run: MakeRun) -> None:
    rows = several_rows(make_run)
    titles = [panel.short_title for panel in panels_of(rows)]
    assert "libero_goal · embedded" in titles
    for draw in (draw_inference, draw_wall_clock, draw_outcomes):
        figure = draw(rows)
        assert figure is not None
        assert [axes.get_title(loc="left") for axes in figure.axes] == titles


def test_published_numbers_of_suites_that_were_not_run_are_not_drawn(make_run: MakeRun) -> None:
    rows = collect([make_run("a", outcomes(1, 4), suite="libero_90")])
    assert set(band_texts(draw_rates(rows, reported()))) == {"official"}


def test_privileged_policies_have_another_marker(make_run: MakeRun) -> None:
    rows = collect(
        [
            make_run("a", outcomes(4, 4), policy="expert", privileged=True),
            make_run("b", outcomes(1, 4)),
        ]
    )
    (axes,) = draw_rates(rows).axes
    measured = [line for line in axes.lines if line.get_gid() == "measured"]
    assert len({line.get_marker() for line in measured}) == 2
    assert len({line.get_color() for line in measured} | {1}) >= 2


# ---- numbers ---------------------------------------------------------------------------------


def test_points_and_whiskers_are_the_run_s_rate_and_interval(make_run: MakeRun) -> None:
    (row,) = collect([make_run("a", outcomes(7, 12), tasks=4)])
    (axes,) = draw_rates([row]).axes
    (point,) = [line for line in axes.lines if line.get_gid() == "measured"]
    assert point.get_xdata()[0] == pytest.approx(100 * 7 / 12)
    low, high = (100 * bound for bound in row.summary.interval)
    assert list(axes.lines[0].get_xdata()) == pytest.approx([low, high])
    texts = band_texts(draw_rates([row]))["official"]
    assert "58.3" in texts
    assert f"[{low:.1f}, {high:.1f}]" in texts


def test_labels_that_fit_are_not_cut(make_run: MakeRun) -> None:
    runs = [make_run(suite, outcomes(3, 4), suite=suite) for suite in ("libero_goal", "libero_90")]
    narrow = band_texts(draw_rates(collect(runs[:1])))["official"]
    wide = band_texts(draw_rates(collect(runs)))["official"]
    assert {"lawam", "seed 0, 3/4"} <= set(narrow)
    assert {"lawam", "seed 0, 4 trials per task"} <= set(wide)


def test_an_incomplete_run_has_no_point_but_the_range_it_can_become(make_run: MakeRun) -> None:
    (row,) = collect([make_run("a", ["success", "failure", None, None])])
    (axes,) = draw_rates([row]).axes
    assert not [line for line in axes.lines if line.get_gid() == "measured"]
    (band,) = [patch for patch in axes.patches if patch.get_gid() == "range"]
    assert (band.get_x(), band.get_width()) == pytest.approx((25, 50))
    assert draw_tasks(panels_of([row])[0], [row]) is None
    assert draw_wall_clock([row]) is None
    assert draw_inference([row]) is None


def test_the_parts_of_an_outcome_bar_add_up_to_the_planned_episodes(make_run: MakeRun) -> None:
    (row,) = collect(
        [make_run("a", [*outcomes(2, 5), "env_error", "policy_error", "infeasible", None])]
    )
    parts = outcome_parts(row.summary)
    assert sum(part.count for part in parts) == row.summary.planned == 9
    (axes,) = draw_outcomes([row]).axes
    widths = {str(patch.get_gid()): patch.get_width() for patch in axes.patches}
    assert widths == pytest.approx({part.name: 100 * part.count / 9 for part in parts})
    hatches = {str(patch.get_gid()): patch.get_hatch() for patch in axes.patches}
    uncounted = [hatches[name] for name in ("env_error", "policy_error", "infeasible", "not_run")]
    assert len(set(uncounted)) == 4, "outcomes that do not count differ without colour"


def test_inference_time_is_per_chunk_and_a_privileged_policy_has_none(make_run: MakeRun) -> None:
    rows = collect(
        [
            make_run("a", outcomes(1, 4), chunks=25),
            make_run("b", outcomes(4, 4), policy="expert", privileged=True),
        ]
    )
    assert {row.policy: row.seconds_per_chunk for row in rows} == {"lawam": 0.02, "expert": None}
    figure = draw_inference(rows)
    assert figure is not None
    (axes,) = figure.axes
    (container,) = axes.containers
    assert container.lines[0].get_xdata()[0] == pytest.approx(20.0), "milliseconds"


def test_wall_clock_leaves_filming_out(make_run: MakeRun) -> None:
    (row,) = collect([make_run("a", outcomes(1, 4))])
    assert row.seconds_per_episode == pytest.approx(1.5), "of 5.5 s, 4 were spent filming"


def test_every_task_of_a_run_has_its_rate_and_interval_in_the_plot_of_tasks(
    make_run: MakeRun,
) -> None:
    for tasks in (4, 90):
        rows = collect([make_run(f"of{tasks}", outcomes(tasks, 3 * tasks - 1), tasks=tasks)])
        figure = draw_tasks(panels_of(rows)[0], rows)
        assert figure is not None
        assert figure.get_size_inches()[1] < 9, "fits a page"
        drawn = {}
        for axes in figure.axes:
            for container in axes.containers:
                (bars,) = container.lines[2]
                ((low, _), (high, _)) = bars.get_segments()[0]
                point = container.lines[0]
                drawn[int(str(point.get_gid()).removeprefix("task-"))] = (
                    *point.get_xdata(),
                    low,
                    high,
                )
        for index, task in rows[0].tasks.items():
            expected = [100 * (task.rate or 0), *(100 * bound for bound in task.interval)]
            assert drawn[index] == pytest.approx(expected)
        assert len(drawn) == tasks


# ---- learning curves -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checkpoint", "number", "unit"),
    [
        ("runs/a/step_2000", 2000, "step"),
        ("runs/a/steps-20k.safetensors", 20000, "step"),
        ("runs/a/checkpoints/020000/pretrained_model", 20000, "step"),
        ("model_epoch=7.ckpt", 7, "epoch"),
        ("user/policy-30000_steps", 30000, "step"),
        ("ckpt-1.safetensors", 1, "step"),
        ("pi0-libero", None, None),
        ("weights/model.safetensors", None, None),
    ],
)
def test_the_step_is_read_off_the_checkpoint_s_name(
    checkpoint: str, number: int | None, unit: str | None
) -> None:
    progress = training_progress({"checkpoint": checkpoint})
    assert (progress and progress.number, progress and progress.unit) == (number, unit)


def test_a_curve_has_the_checkpoints_of_one_training_by_step(make_run: MakeRun) -> None:
    def run(name: str, checkpoint: str, successes: int, **rest: object) -> Row:
        arguments = {"checkpoint": checkpoint, "chunk": 8}
        run = make_run(name, outcomes(successes, 4), arguments=arguments, **rest)
        return collect([run])[0]

    a = [run("a3", "a/step_10000", 3), run("a1", "a/step_200", 1), run("a2", "a/step_3000", 2)]
    b = [run("b1", "b/step_100", 0), run("b2", "b/step_900", 4)]
    alone = run("c", "c/step_5", 2, suite="libero_object")
    rows = [replace(row, order=order) for order, row in enumerate([*a, *b, alone])]
    curves = learning_curves(rows)
    assert [[position for position, _ in curve.points] for curve in curves] == [
        [200, 3000, 10000],
        [100, 900],
    ]
    assert len({curve.name for curve in curves}) == 2
    figure = draw_learning(rows)
    assert figure is not None
    (axes,) = figure.axes
    assert list(axes.containers[0].lines[0].get_ydata()) == [25, 50, 75]
    assert axes.get_xlabel() == "training step"


def test_checkpoints_without_a_step_are_drawn_in_the_order_given_and_not_joined(
    make_run: MakeRun,
) -> None:
    runs = [
        make_run(name, outcomes(successes, 4), arguments={"checkpoint": name})
        for name, successes in (("late", 1), ("early", 4), ("middle", 2))
    ]
    figure = draw_learning(collect(runs))
    assert figure is not None
    (axes,) = figure.axes
    line = axes.containers[0].lines[0]
    assert list(line.get_ydata()) == [25, 100, 50]
    assert line.get_linestyle() == "None"
    assert "order given" in axes.get_xlabel()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["late", "early", "middle"]


def test_one_checkpoint_is_no_curve(make_run: MakeRun) -> None:
    runs = [
        make_run(name, outcomes(1, 4), arguments={"checkpoint": "a/step_1"}) for name in ("a", "b")
    ]
    assert draw_learning(collect(runs)) is None


# ---- legibility ------------------------------------------------------------------------------


def test_no_text_of_any_plot_is_smaller_than_7_points_or_outside_of_the_picture(
    make_run: MakeRun,
) -> None:
    rows = several_rows(make_run)
    seen = 0
    for plot in draw_all(rows, reported()):
        assert plot.figure is not None, plot
        assert plot.figure.get_size_inches()[0] in (COLUMN, PAGE)
        for text in texts_of(plot.figure):
            seen += 1
            box = text.get_window_extent()
            assert text.get_fontsize() >= 7, (plot.name, text)
            assert -1 <= box.x0 < box.x1 <= plot.figure.bbox.width + 1, (plot.name, text)
            assert -1 <= box.y0 < box.y1 <= plot.figure.bbox.height + 1, (plot.name, text)
    assert seen > 100


@pytest.mark.parametrize("suites", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 9])
def test_texts_of_the_leaderboard_stay_apart(make_run: MakeRun, suites: int, count: int) -> None:
    names = ["libero_goal", "libero_long", "libero_object", "libero_spatial", "libero_90"]
    rows = collect(
        [
            make_run(
                f"{backend}{suite}{index}",
                [*outcomes(index, 14), *([None] if index % 3 == 2 else [])],
                policy=f"a/rather/long/path/to/some/policy_{index}.py:Policy",
                arguments={"checkpoint": f"some/folder/of/checkpoints/step_{index}"},
                suite=suite,
                backend=backend,
                privileged=index % 2 == 0,
            )
            for backend in ("official", "embedded")
            for suite in names[:suites]
            for index in range(count)
        ]
    )
    figure = draw_rates(rows, published_rows(names[:suites]))
    drawn = list(texts_of(figure))
    boxes = np.array([text.get_window_extent().extents for text in drawn])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = (high - low > 1.0).all(axis=2)
    np.fill_diagonal(overlap, False)
    pairs = [(drawn[i].get_text(), drawn[j].get_text()) for i, j in np.argwhere(overlap)]
    assert not pairs


def test_colours_can_be_told_apart_by_the_colour_blind() -> None:
    """Simulated deuteranopia and protanopia (Machado et al. 2009, severity 1)."""
    matrices = {
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }

    def linear(colour: str) -> np.ndarray:
        value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    for theme in (LIGHT, DARK):
        pairs = [
            *((theme.measured, theme.privileged), (theme.measured, theme.published)),
            (theme.outcomes["success"], theme.outcomes["failure"]),
            *zip(theme.cycle[:3], theme.cycle[1:4], strict=True),
        ]
        for matrix in matrices.values():
            for one, other in pairs:
                seen = [
                    np.clip(np.array(matrix) @ linear(c), 0, 1) ** (1 / 2.4) for c in (one, other)
                ]
                assert np.abs(seen[0] - seen[1]).max() > 0.12, (theme.name, one, other)
        for colour in (*theme.cycle, theme.ink, theme.faint, theme.measured, theme.privileged):
            weights = np.array([0.2126, 0.7152, 0.0722])
            light, dark = sorted(
                (linear(c) @ weights for c in (colour, theme.ground)), reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) > 2.0, (theme.name, colour)


@given(st.text(max_size=40), st.floats(0.1, 3.0))
def test_a_shortened_text_fits_and_keeps_its_end(text: str, width: float) -> None:
    short = shorten(text, width)
    assert short == text or short.startswith("…")
    assert text.endswith(short.removeprefix("…")) or short == text
    assert short == text or len(short) <= 1 or text_width(short) <= width


# ---- files -----------------------------------------------------------------------------------


def test_plots_are_written_beside_each_other_at_the_width_of_a_column(
    make_run: MakeRun, tmp_path: Path
) -> None:
    files, left_out = write_plots(several_rows(make_run), reported(), tmp_path / "deep" / "out.png")
    assert left_out == []
    assert [file.stem for file in files] == [
        "out",
        "out-tasks-libero_goal-official",
        "out-tasks-libero_goal-embedded",
        "out-tasks-libero_object-official",
        *("out-outcomes", "out-inference", "out-wall-clock", "out-learning"),
    ]
    for file in files:
        with Image.open(file) as picture:
            picture.load()
            assert picture.width in (round(300 * COLUMN), round(300 * PAGE))


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_the_same_figures_give_the_same_bytes(
    make_run: MakeRun, tmp_path: Path, suffix: str, start: bytes
) -> None:
    rows = collect([make_run("a", outcomes(3, 4))])
    contents = []
    for name in ("one", "two"):
        save_figure(draw_rates(rows, []), tmp_path / f"{name}{suffix}")
        contents.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert contents[0].startswith(start)
    assert contents[0] == contents[1]
    assert b"/Type3" not in contents[0], "journals refuse type 3 fonts"


def test_a_plot_with_nothing_to_show_is_left_out_with_the_reason(
    make_run: MakeRun, tmp_path: Path
) -> None:
    rows = collect([make_run("a", outcomes(4, 4), privileged=True)])
    files, left_out = write_plots(rows, [], tmp_path / "out.svg")
    assert not any("inference" in file.name for file in files)
    assert [line.split(":")[0] for line in left_out] == ["out-inference.svg", "out-learning.svg"]
    assert "privileged" in left_out[0]


def test_an_unknown_suffix_is_refused_with_the_ones_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"as out\.jpg\. Use one of \.png, \.pdf, \.svg"):
        write_plots([], [], tmp_path / "out.jpg")


def test_names_with_mathematics_control_characters_or_markup_are_drawn_as_text(
    make_run: MakeRun, tmp_path: Path
) -> None:
    name = "$\\frac</text><script>alert(1)</script>--\x00\x1b]$"
    runs = [
        make_run(letter, outcomes(1, 4), policy=name, arguments={"checkpoint": f"{name}/step_{n}"})
        for n, letter in enumerate("ab")
    ]
    rows = collect(runs)
    for number, plot in enumerate(draw_all(rows, [])):
        assert plot.figure is not None
        svg = render_figure(plot.figure, "svg")
        assert b"<script" not in svg
        ElementTree.fromstring(svg)
        if number == 0:
            save_figure(plot.figure, tmp_path / "x.pdf")
            save_figure(plot.figure, tmp_path / "x.png")
