"""The leaderboard of run directories: what is in the CSV, the plot and the tables."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from wambench.errors import RunDirectoryError, UsageError
from wambench.manifest import Manifest, episode_seed
from wambench.protocol import Backend, Episode, Outcome
from wambench.report.leaderboard import print_leaderboard, write_leaderboard
from wambench.report.leaderboard_plot import draw_leaderboard
from wambench.report.leaderboard_rows import Row, collect
from wambench.report.published import PublishedRow, published_rows
from wambench.report.summary import summarise_run
from wambench.results.record import EpisodeRecord, Execution, Seconds
from wambench.results.run import RunConfig, RunDirectory, RunInfo

MakeRun = Callable[..., RunDirectory]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a run directory whose episodes end with the given outcomes; None is not run."""

    def make(
        name: str,
        outcomes: Sequence[Outcome | None],
        *,
        policy: str = "lawam",
        suite: str = "libero_goal",
        backend: Backend = "official",
        seed: int = 0,
        arguments: dict[str, object] | None = None,
        privileged: bool = False,
        provenance: dict[str, object] | None = None,
    ) -> RunDirectory:
        episodes = tuple(
            Episode(
                suite=suite,
                backend=backend,
                task=0,
                task_name="open_the_drawer",
                trial=trial,
                seed=episode_seed(seed, suite, 0, trial),
                init_state=trial,
                instruction="open the drawer",
                max_steps=300,
            )
            for trial in range(len(outcomes))
        )
        manifest = Manifest(episodes)
        facts = {"wambench": "0.1.0", "suite": {"mujoco": "3.3.2", "assets": "ab" * 32}}
        info = RunInfo(
            command="wambench eval",
            created_at="2026-01-01T00:00:00+00:00",
            config=RunConfig(
                suite=suite,
                backend=backend,
                policy=policy,
                policy_arguments=arguments or {},
                trials=len(outcomes),
                seed=seed,
            ),
            manifest=manifest.digest,
            privileged=privileged,
            provenance=facts if provenance is None else provenance,
        )
        run = RunDirectory.create(tmp_path / name, info, manifest)
        with run.locked():
            for episode, outcome in zip(episodes, outcomes, strict=True):
                if outcome is None:
                    continue
                seconds = Seconds(simulation=1.0, policy=0.5)
                execution = Execution(
                    worker=0, attempts=1, started_at=0.0, ended_at=1.5, seconds=seconds
                )
                steps = 100 + episode.trial if outcome in ("success", "failure") else 0
                run.append(
                    EpisodeRecord.of(episode, outcome=outcome, steps=steps, execution=execution)
                )
        return run

    return make


def outcomes(successes: int, trials: int) -> list[Outcome | None]:
    return ["success"] * successes + ["failure"] * (trials - successes)


def reported() -> list[PublishedRow]:
    return published_rows(["libero_goal"])


def read_csv(rows: Sequence[Row], published: Sequence[PublishedRow], out: Path) -> pd.DataFrame:
    write_leaderboard(rows, published, out)
    return pd.read_csv(out / "leaderboard.csv", dtype={"manifest": str})


def printed(rows: Sequence[Row], published: Sequence[PublishedRow] = ()) -> str:
    stream = io.StringIO()
    print_leaderboard(rows, published, Console(file=stream, width=220))
    return stream.getvalue()


def panel_texts(figure: Figure) -> dict[str, str]:
    """Title of each panel to all the text in it."""
    return {
        ax.get_title(loc="left"): "\n".join(text.get_text() for text in ax.texts)
        for ax in figure.axes
        if ax.axison
    }


def bar_groups(figure: Figure) -> dict[str, list[str]]:
    """Title of each panel to the kinds of its bars, `measured` or `published`."""
    return {
        ax.get_title(loc="left"): [
            str(p.get_gid()).split("/")[0] for p in ax.patches if p.get_gid()
        ]
        for ax in figure.axes
        if ax.axison
    }


# ---- CSV -------------------------------------------------------------------------------------


def test_the_csv_holds_the_rate_and_interval_of_the_run_s_own_summary(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run("a", outcomes(17, 20)), make_run("b", outcomes(3, 7), policy="random")]
    table = read_csv(collect(runs), [], tmp_path / "out").set_index("policy")
    for run in runs:
        line, suite = table.loc[run.info.config.policy], summarise_run(run).suite
        assert (line.successes, line.trials, line.planned) == (
            suite.successes,
            suite.trials,
            suite.planned,
        )
        assert line.success_rate == suite.rate
        assert (line.ci_low, line.ci_high) == suite.interval
        assert line.mean_steps == suite.mean_steps
        assert line.mean_seconds_per_episode == 1.5
        assert line.manifest == run.info.manifest[:12]
        assert line.run == run.path.as_posix()
    assert table.loc["lawam"].ci_low == pytest.approx(0.6396, abs=1e-4)
    assert table.loc["lawam"].ci_high == pytest.approx(0.9476, abs=1e-4)


def test_the_csv_says_which_versions_and_arguments_a_row_was_made_with(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run("a", outcomes(1, 2), arguments={"steps": 4, "checkpoint": "weights/tiny"})
    line = read_csv(collect([run]), [], tmp_path / "out").iloc[0]
    assert line.policy_arguments == "checkpoint=weights/tiny, steps=4"
    assert line.wambench == "0.1.0"
    assert line.simulator == "assets abababababab, mujoco 3.3.2"


def test_published_numbers_never_enter_the_csv(make_run: MakeRun, tmp_path: Path) -> None:
    rows = collect([make_run("a", outcomes(9, 10))])
    without = read_csv(rows, [], tmp_path / "without")
    with_published = read_csv(rows, reported(), tmp_path / "with")
    assert reported()
    pd.testing.assert_frame_equal(without, with_published)
    assert len(with_published) == 1


def test_writing_twice_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    rows = collect([make_run("a", outcomes(9, 10)), make_run("b", outcomes(2, 10), policy="hold")])
    first = [file.read_bytes() for file in write_leaderboard(rows, reported(), tmp_path / "one")]
    second = [file.read_bytes() for file in write_leaderboard(rows, reported(), tmp_path / "two")]
    assert first == second


def test_outcomes_that_do_not_count_are_counted_beside_the_rate(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(
        "a", ["success", "failure", "env_error", "policy_error", "policy_error", "infeasible", None]
    )
    line = read_csv(collect([run]), [], tmp_path / "out").iloc[0]
    assert np.isnan(line.success_rate), "there is no rate while episodes are missing"
    counts = [line.trials, line.env_error, line.policy_error, line.infeasible, line.not_run]
    assert counts == [2, 1, 2, 1, 1]
    assert not line.complete


def test_a_run_in_which_nothing_counts_has_no_rate_but_a_row(
    make_run: MakeRun, tmp_path: Path
) -> None:
    rows = collect([make_run("a", ["env_error", None]), make_run("b", outcomes(0, 5))])
    table = read_csv(rows, reported(), tmp_path / "out")
    assert list(table.success_rate.isna()) == [False, True]  # 0 of 5 ranks above no result
    assert (table.ci_low[1], table.ci_high[1]) == (0.0, 1.0)
    assert (
        "nothing counts"
        in panel_texts(draw_leaderboard(rows, []))["libero_goal · backend official"]
    )


# ---- order and identity ----------------------------------------------------------------------


def test_rows_are_sorted_by_suite_then_backend_then_falling_rate(make_run: MakeRun) -> None:
    runs = [
        make_run("a", outcomes(1, 4), suite="libero_object"),
        make_run("b", outcomes(4, 4), backend="embedded"),
        make_run("c", outcomes(1, 4)),
        make_run("d", outcomes(3, 4)),
    ]
    rows = collect(runs)
    assert [row.run.name for row in rows] == ["d", "c", "b", "a"]
    assert collect(runs[::-1]) == rows


def test_official_and_embedded_results_never_share_a_panel_or_a_table(make_run: MakeRun) -> None:
    rows = collect(
        [
            make_run("a", outcomes(1, 4), policy="on_official"),
            make_run("b", outcomes(4, 4), policy="on_embedded", backend="embedded"),
        ]
    )
    texts = panel_texts(draw_leaderboard(rows, []))
    assert list(texts) == ["libero_goal · backend official", "libero_goal · backend embedded"]
    official, embedded = texts.values()
    assert "on_official" in official
    assert "on_embedded" not in official
    assert "on_embedded" in embedded
    assert "on_official" not in embedded
    screen = printed(rows)
    before, after = screen.split("Measured · libero_goal · backend embedded")
    assert "Measured · libero_goal · backend official" in before
    assert "on_official" in before
    assert "on_embedded" not in before
    assert "on_official" not in after


def test_a_run_whose_config_names_another_backend_than_its_episodes_is_refused(
    make_run: MakeRun,
) -> None:
    run = make_run("a", outcomes(1, 2), backend="embedded")
    file = run.path / "run.json"
    file.write_text(file.read_text().replace('"backend": "embedded"', '"backend": "official"'))
    with pytest.raises(RunDirectoryError, match=r"names libero_goal \(official\)"):
        collect([RunDirectory(run.path)])


def test_a_run_given_twice_is_refused_also_under_another_name(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run("a", outcomes(1, 2))
    (tmp_path / "link").symlink_to(run.path)
    with pytest.raises(UsageError, match="given twice"):
        collect([run, RunDirectory(tmp_path / "link")])


def test_a_leaderboard_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one run"):
        collect([])


def test_runs_on_different_episodes_are_separate_rows_told_apart_by_their_manifest(
    make_run: MakeRun,
) -> None:
    rows = collect([make_run("a", outcomes(2, 4)), make_run("b", outcomes(2, 4), seed=1)])
    assert len({row.manifest for row in rows}) == 2
    (text,) = panel_texts(draw_leaderboard(rows, [])).values()
    screen = printed(rows)
    assert "ran different episodes" in screen
    for row in rows:
        assert row.manifest in text
        assert row.manifest in screen


def test_runs_on_the_same_episodes_are_not_said_to_differ(make_run: MakeRun) -> None:
    rows = collect([make_run("a", outcomes(2, 4)), make_run("b", outcomes(3, 4), policy="hold")])
    assert "different episodes" not in printed(rows)


# ---- marks -----------------------------------------------------------------------------------


def test_privileged_and_incomplete_runs_are_marked_everywhere(
    make_run: MakeRun, tmp_path: Path
) -> None:
    rows = collect(
        [
            make_run("a", outcomes(4, 4), policy="expert", privileged=True),
            make_run("b", ["success", "failure", None], policy="cut_short"),
            make_run("c", outcomes(1, 4), policy="plain"),
        ]
    )
    table = read_csv(rows, [], tmp_path / "out").set_index("policy")
    assert list(table.loc[["expert", "cut_short", "plain"], "privileged"]) == [True, False, False]
    assert list(table.loc[["expert", "cut_short", "plain"], "complete"]) == [True, False, True]
    (text,) = panel_texts(draw_leaderboard(rows, [])).values()
    for shown in (text, printed(rows)):
        assert shown.count("privileged state") == 1
        assert shown.count("incomplete: 2 of 3") == 1
    assert {row.policy: row.marks for row in rows}["plain"] == []


def test_a_run_is_unpinned_when_its_simulator_was_not_merely_when_that_was_allowed(
    make_run: MakeRun,
) -> None:
    pinned = make_run("a", outcomes(1, 2), provenance={"unpinned": {}})
    pinned.info.config.allow_unpinned = True
    other = make_run("b", outcomes(0, 2), provenance={"unpinned": {"mujoco": "3.4.0 (3.3.2)"}})
    assert [row.unpinned for row in collect([pinned, other])] == [False, True]


# ---- published -------------------------------------------------------------------------------


def test_published_numbers_stand_beside_the_official_backend_only(make_run: MakeRun) -> None:
    rows = collect(
        [make_run("a", outcomes(1, 4)), make_run("b", outcomes(4, 4), backend="embedded")]
    )
    figure = draw_leaderboard(rows, reported())
    kinds = bar_groups(figure)
    assert kinds["libero_goal · backend official"] == ["measured"] + ["published"] * len(reported())
    assert kinds["libero_goal · backend embedded"] == ["measured"]


def test_beside_embedded_runs_alone_published_numbers_are_said_to_be_of_official_assets(
    make_run: MakeRun,
) -> None:
    rows = collect([make_run("a", outcomes(1, 4), backend="embedded")])
    text = panel_texts(draw_leaderboard(rows, reported()))["libero_goal · backend embedded"]
    assert "published, official assets" in text
    assert "not comparable with the embedded backend" in text


def test_published_bars_are_hollow_and_hatched_and_measured_ones_filled(make_run: MakeRun) -> None:
    figure = draw_leaderboard(collect([make_run("a", outcomes(3, 4))]), reported())
    (ax,) = figure.axes
    for bar in (patch for patch in ax.patches if patch.get_gid()):
        published = bar.get_gid() == "published"
        assert (bar.get_hatch() is not None) == published
        assert (bar.get_facecolor()[3] == 0.0) == published


def test_the_screen_lists_published_numbers_under_a_title_of_their_own(make_run: MakeRun) -> None:
    screen = printed(collect([make_run("a", outcomes(1, 4), policy="hold")]), reported())
    measured, published = screen.split("Published by the papers, not measured here")
    assert "Fast-WAM" not in measured
    assert "Fast-WAM" in published
    assert "98.4" in published
    assert "hold" not in published


def test_published_numbers_of_suites_that_were_not_run_get_no_panel(make_run: MakeRun) -> None:
    rows = collect([make_run("a", outcomes(1, 4), suite="libero_90")])
    assert bar_groups(draw_leaderboard(rows, reported())) == {
        "libero_90 · backend official": ["measured"]
    }


# ---- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 12])
def test_the_plot_s_text_stays_inside_the_picture_and_apart(
    make_run: MakeRun, tmp_path: Path, count: int
) -> None:
    rows = collect(
        [
            make_run(
                f"{backend}{index}",
                [*outcomes(index, 14), None],
                policy=f"a/rather/long/path/to/some/policy_{index}.py:Policy",
                arguments={"checkpoint": f"some/folder/of/checkpoints/step_{index}"},
                backend=backend,
                privileged=index % 2 == 0,
            )
            for backend in ("official", "embedded")
            for index in range(count)
        ]
    )
    figure = draw_leaderboard(rows, reported())
    figure.savefig(io.BytesIO(), format="png")
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        for box in boxes:
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width
            assert 0 <= box.y0 < box.y1 <= figure.bbox.height
        corners = np.array([box.extents for box in boxes])
        low = np.maximum(corners[:, None, :2], corners[None, :, :2])
        high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
        overlap = (high - low > 1.0).all(axis=2)
        np.fill_diagonal(overlap, False)
        assert not overlap.any()


def test_the_plot_is_a_readable_png(make_run: MakeRun, tmp_path: Path) -> None:
    rows = collect([make_run("a", outcomes(1, 4))])
    _, png = write_leaderboard(rows, reported(), tmp_path / "deep" / "out")
    with Image.open(png) as picture:
        picture.load()
        assert min(picture.size) > 500


def test_an_output_folder_that_cannot_be_made_is_one_line_with_a_remedy(
    make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunDirectoryError, match=r"Cannot write .* Choose an --out") as caught:
        write_leaderboard(collect([make_run("a", outcomes(1, 4))]), [], tmp_path / "file" / "out")
    assert "\n" not in str(caught.value)


def test_markup_in_a_policy_s_arguments_is_printed_as_it_is(make_run: MakeRun) -> None:
    (row,) = collect([make_run("a", outcomes(1, 4), arguments={"layers": "[bold]x[/bold]$^$"})])
    assert "layers=[bold]x[/bold]$^$" in printed([row])
    draw_leaderboard([replace(row, policy="$\\frac")], []).savefig(io.BytesIO(), format="png")
