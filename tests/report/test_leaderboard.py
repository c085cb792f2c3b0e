"""The leaderboard of run directories: what is in the CSV and the tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from report_support import MakeRun, band_texts, outcomes
from wambench.errors import RunDirectoryError, UsageError
from wambench.report.leaderboard import print_leaderboard, write_csv
from wambench.report.leaderboard_rows import Row, collect
from wambench.report.plots.rates import draw_rates
from wambench.report.published import PublishedRow, published_rows
from wambench.report.summary import summarise_run
from wambench.results.run import RunDirectory


def reported() -> list[PublishedRow]:
    return published_rows(["libero_goal"])


def read_csv(rows: Sequence[Row], out: Path) -> pd.DataFrame:
    return pd.read_csv(write_csv(rows, out / "deep" / "out.csv"), dtype={"manifest": str})


def printed(rows: Sequence[Row], published: Sequence[PublishedRow] = ()) -> str:
    stream = io.StringIO()
    print_leaderboard(rows, published, Console(file=stream, width=220))
    return stream.getvalue()


# ---- CSV -------------------------------------------------------------------------------------


def test_the_csv_holds_the_rate_and_interval_of_the_run_s_own_summary(
    make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run("a", outcomes(17, 20)), make_run("b", outcomes(3, 7), policy="random")]
    table = read_csv(collect(runs), tmp_path).set_index("policy")
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
    line = read_csv(collect([run]), tmp_path).iloc[0]
    assert line.policy_arguments == "checkpoint=weights/tiny, steps=4"
    assert line.wambench == "0.1.0"
    assert line.simulator == "assets abababababab, mujoco 3.3.2"


def test_writing_twice_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    rows = collect([make_run("a", outcomes(9, 10)), make_run("b", outcomes(2, 10), policy="hold")])
    first = write_csv(rows, tmp_path / "one.csv").read_bytes()
    assert write_csv(rows, tmp_path / "two.csv").read_bytes() == first


def test_outcomes_that_do_not_count_are_counted_beside_the_rate(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(
        "a", ["success", "failure", "env_error", "policy_error", "policy_error", "infeasible", None]
    )
    line = read_csv(collect([run]), tmp_path).iloc[0]
    assert np.isnan(line.success_rate), "there is no rate while episodes are missing"
    counts = [line.trials, line.env_error, line.policy_error, line.infeasible, line.not_run]
    assert counts == [2, 1, 2, 1, 1]
    assert not line.complete


def test_a_run_in_which_nothing_counts_has_no_rate_but_a_row(
    make_run: MakeRun, tmp_path: Path
) -> None:
    rows = collect([make_run("a", ["env_error", None]), make_run("b", outcomes(0, 5))])
    table = read_csv(rows, tmp_path)
    assert list(table.success_rate.isna()) == [False, True]  # 0 of 5 ranks above no result
    assert (table.ci_low[1], table.ci_high[1]) == (0.0, 1.0)


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
    assert [row.run.name for row in collect(runs[::-1])] == ["d", "c", "b", "a"]


def test_official_and_embedded_results_never_share_a_table(make_run: MakeRun) -> None:
    rows = collect(
        [
            make_run("a", outcomes(1, 4), policy="on_official"),
            make_run("b", outcomes(4, 4), policy="on_embedded", backend="embedded"),
        ]
    )
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
    text = "\n".join(band_texts(draw_rates(rows))["official"])
    screen = printed(rows)
    for shown in (text, screen):
        assert "ran different episodes" in shown
        for row in rows:
            assert row.manifest in shown


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
    table = read_csv(rows, tmp_path).set_index("policy")
    assert list(table.loc[["expert", "cut_short", "plain"], "privileged"]) == [True, False, False]
    assert list(table.loc[["expert", "cut_short", "plain"], "complete"]) == [True, False, True]
    text = "\n".join(band_texts(draw_rates(rows))["official"])
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


def test_the_screen_lists_published_numbers_under_a_title_of_their_own(make_run: MakeRun) -> None:
    screen = printed(collect([make_run("a", outcomes(1, 4), policy="hold")]), reported())
    measured, published = screen.split("Published by the papers, not measured here")
    assert "Fast-WAM" not in measured
    assert "Fast-WAM" in published
    assert "98.4" in published
    assert "hold" not in published


def test_a_file_that_cannot_be_written_is_one_line_with_a_remedy(
    make_run: MakeRun, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunDirectoryError, match=r"Cannot write .* Choose another") as caught:
        write_csv(collect([make_run("a", outcomes(1, 4))]), tmp_path / "file" / "out.csv")
    assert "\n" not in str(caught.value)


def test_markup_in_a_policy_s_arguments_is_printed_as_it_is(make_run: MakeRun) -> None:
    (row,) = collect([make_run("a", outcomes(1, 4), arguments={"layers": "[bold]x[/bold]$^$"})])
    assert "layers=[bold]x[/bold]$^$" in printed([row])
