"""Comparing runs: what is refused and why, what is warned of, and what the numbers are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import Run
from wambench.compare import compare_runs
from wambench.errors import UsageError
from wambench.manifest import Manifest, episode_seed
from wambench.protocol import Backend, Episode, Outcome
from wambench.results.record import EpisodeRecord, Execution
from wambench.results.run import RunConfig, RunDirectory, RunInfo
from wambench.stats.paired import Pairs, mcnemar_exact

MakeRun = Callable[..., RunDirectory]
S: Outcome = "success"
F: Outcome = "failure"


def write_run(
    path: Path,
    tasks: Sequence[Sequence[Outcome | None]],
    *,
    policy: str = "",
    suite: str = "libero_goal",
    backend: Backend = "embedded",
    seed: int = 0,
    privileged: bool = False,
    **provenance: Any,
) -> RunDirectory:
    """A run directory whose episodes ended with the given outcomes, by task; None is not run."""
    planned = {
        Episode(
            suite=suite,
            backend=backend,
            task=task,
            task_name=f"task_{task}",
            trial=trial,
            seed=episode_seed(seed, suite, task, trial),
            init_state=trial,
            instruction=f"do task {task}",
            max_steps=300,
        ): outcome
        for task, outcomes in enumerate(tasks)
        for trial, outcome in enumerate(outcomes)
    }
    manifest = Manifest(tuple(planned))
    info = RunInfo(
        command="wambench eval",
        created_at="2026-01-01T00:00:00+00:00",
        config=RunConfig(
            suite=suite,
            backend=backend,
            policy=policy or path.name,
            trials=len(tasks[0]),
            seed=seed,
        ),
        manifest=manifest.digest,
        privileged=privileged,
        provenance={"suite": {"mujoco": "3.3.2"}, **provenance},
    )
    run = RunDirectory.create(path, info, manifest)
    with run.locked():
        for episode, outcome in planned.items():
            if outcome is not None:
                execution = Execution(worker=0, attempts=1, started_at=0.0, ended_at=1.0)
                run.append(EpisodeRecord.of(episode, outcome=outcome, execution=execution))
    return run


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    return lambda name, tasks, **options: write_run(tmp_path / name, tasks, **options)


def spread(successes: int, trials: int = 20, tasks: int = 5) -> list[list[Outcome]]:
    return [[S] * successes + [F] * (trials - successes)] * tasks


# ---- numbers ---------------------------------------------------------------------------------


def test_two_runs_are_compared_on_pairs_of_the_same_episodes(make_run: MakeRun) -> None:
    a = make_run("a", [[S, S, F, F], [S, F, F, F]])
    b = make_run("b", [[S, F, S, S], [S, S, S, F]])
    comparison = compare_runs([a, b])
    (difference,) = comparison.differences
    assert comparison.test == "exact McNemar"
    assert difference.pairs == Pairs(both=2, a_only=1, b_only=4, neither=1)
    assert difference.difference == pytest.approx(3 / 8)
    assert difference.p_value == mcnemar_exact(difference.pairs)
    low, high = difference.interval
    assert low < 3 / 8 < high
    assert difference.better is None
    assert [c.rate for c in comparison.contestants] == [3 / 8, 6 / 8]


def test_a_better_policy_is_named_whichever_way_round_the_runs_are_given(
    make_run: MakeRun,
) -> None:
    a, b = make_run("a", spread(8)), make_run("b", spread(16))
    for runs in ([a, b], [b, a]):
        (difference,) = compare_runs(runs).differences
        assert difference.better == "b"
        assert difference.difference == pytest.approx(0.4 if runs == [a, b] else -0.4)


def test_tasks_that_differ_widen_the_intervals_over_tasks(make_run: MakeRun) -> None:
    a = make_run("a", [[S] * n + [F] * (20 - n) for n in (2, 8, 10, 15, 20)])
    b = make_run("b", [[S] * n + [F] * (20 - n) for n in (12, 9, 16, 15, 19)])
    comparison = compare_runs([a, b])
    for figures in (*comparison.contestants, *comparison.differences):
        assert figures.over_tasks is not None
        assert figures.over_tasks[0] < figures.interval[0]
        assert figures.over_tasks[1] > figures.interval[1]


def test_three_policies_get_corrected_p_values_and_letters(make_run: MakeRun) -> None:
    runs = [make_run("low", spread(4)), make_run("high", spread(19)), make_run("top", spread(20))]
    comparison = compare_runs(runs)
    assert comparison.letters == {"top": "a", "high": "a", "low": "b"}
    assert [(d.a, d.b) for d in comparison.differences] == [
        ("low", "high"),
        ("low", "top"),
        ("high", "top"),
    ]
    for difference in comparison.differences:
        assert difference.p_adjusted >= difference.p_value


@settings(max_examples=15)
@given(st.data())
def test_letters_agree_with_the_decisions_whatever_the_outcomes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    counts = data.draw(st.lists(st.integers(0, 20), min_size=2, max_size=4))
    runs = [write_run(folder / f"p{i}", spread(n, tasks=2)) for i, n in enumerate(counts)]
    comparison = compare_runs(runs, confidence=0.9)
    better = {frozenset((d.a, d.b)) for d in comparison.differences if d.better}
    for a, b in combinations(comparison.letters, 2):
        shared = set(comparison.letters[a]) & set(comparison.letters[b])
        assert bool(shared) == (frozenset((a, b)) not in better)
    shutil.rmtree(folder)


def test_runs_of_one_policy_with_several_seeds_are_taken_together(make_run: MakeRun) -> None:
    counts = {"a": (10, 12, 11), "b": (15, 16, 18)}
    runs = [
        make_run(f"{policy}{seed}", spread(n), policy=policy, seed=seed)
        for policy, ns in counts.items()
        for seed, n in enumerate(ns)
    ]
    comparison = compare_runs(runs)
    assert [c.name for c in comparison.contestants] == ["a", "b"]
    a, _ = comparison.contestants
    assert a.run_rates == (0.5, 0.6, 0.55)
    assert (a.successes, a.trials) == (165, 300)
    assert a.over_runs is not None
    low, high = a.over_runs
    assert low <= a.interval[0] < 0.55 < a.interval[1] <= high
    (difference,) = comparison.differences
    assert difference.pairs is not None
    assert difference.pairs.number == 300
    assert difference.better == "b"


def test_infeasible_episodes_are_left_out_of_both(make_run: MakeRun) -> None:
    a = make_run("a", [[S, "infeasible", F, S]])
    b = make_run("b", [[S, "infeasible", S, S]])
    comparison = compare_runs([a, b])
    (difference,) = comparison.differences
    assert difference.pairs is not None
    assert difference.pairs.number == 3
    assert [c.rate for c in comparison.contestants] == [2 / 3, 1]
    assert any("1 episodes are infeasible" in text for text in comparison.warnings)


def test_different_seeds_are_compared_by_totals_when_asked(make_run: MakeRun) -> None:
    a, b = make_run("a", spread(8)), make_run("b", spread(16), seed=1)
    with pytest.raises(UsageError, match=r"run seed 0, the other 1.*--unpaired"):
        compare_runs([a, b])
    comparison = compare_runs([a, b], unpaired=True)
    (difference,) = comparison.differences
    assert comparison.test == "Barnard's exact"
    assert difference.pairs is None
    assert difference.better == "b"
    low, high = difference.interval
    assert 0 < low < 0.4 < high


def test_a_policy_called_like_the_folder_of_a_run_is_not_lost(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run("random", spread(8), policy="mine", weights=1)
    make_run("mine", spread(12), policy="mine", weights=2)
    make_run("other", spread(16), policy="random")
    runs = [RunDirectory(Path(name)) for name in ("random", "mine", "other")]
    for run, checkpoint in zip(runs, "ab", strict=False):
        run.info.provenance["policy"] = {"checkpoint": checkpoint}
    contestants = compare_runs(runs).contestants
    assert {c.name: c.successes for c in contestants} == {"random": 40, "mine": 60, "other": 80}


def test_runs_taken_together_that_other_code_has_made_are_said_to_be_so(make_run: MakeRun) -> None:
    def runs(second: str) -> list[RunDirectory]:
        return [
            make_run(
                f"{policy}{seed}{second}", spread(9), policy=policy, seed=seed, git_commit=code
            )
            for policy in ("a", "b")
            for seed, code in enumerate(("c0ffee", second if policy == "b" else "c0ffee"))
        ]

    assert not compare_runs(runs("c0ffee")).warnings
    (warning,) = compare_runs(runs("decade")).warnings
    assert "The runs of b were made with different versions" in warning
    assert "decade" in warning


# ---- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backend": "official"}, "on the embedded backend, the other on the official one"),
        ({"suite": "libero_object"}, "one is on libero_goal, the other on libero_object"),
    ],
)
@pytest.mark.parametrize("unpaired", [False, True])
def test_runs_on_other_tasks_are_refused_with_the_reason(
    make_run: MakeRun, options: dict[str, Any], said: str, unpaired: bool
) -> None:
    runs = [make_run("a", spread(8)), make_run("b", spread(8), **options)]
    with pytest.raises(UsageError, match=said):
        compare_runs(runs, unpaired=unpaired)


def test_runs_with_other_numbers_of_trials_are_not_paired(make_run: MakeRun) -> None:
    runs = [make_run("a", spread(8)), make_run("b", spread(4, trials=10))]
    with pytest.raises(UsageError, match="20 trials per task, the other 10"):
        compare_runs(runs)
    assert compare_runs(runs, unpaired=True).differences[0].difference == 0


@pytest.mark.parametrize("unpaired", [False, True])
def test_an_episode_that_two_runs_of_a_policy_share_is_not_counted_twice(
    make_run: MakeRun, unpaired: bool
) -> None:
    """The first trials of a longer run have the same seeds as those of a shorter one."""
    runs = [
        make_run(f"{policy}{trials}", spread(solved, trials), policy=policy)
        for policy, solved in (("a", 5), ("b", 9))
        for trials in (10, 20)
    ]
    with pytest.raises(UsageError, match=r"50 episodes in common.*counted twice"):
        compare_runs(runs, unpaired=unpaired)


@pytest.mark.parametrize("outcome", [None, "env_error", "policy_error"])
def test_a_run_that_lacks_outcomes_is_refused(make_run: MakeRun, outcome: Outcome | None) -> None:
    runs = [make_run("a", [[S, F, F]]), make_run("b", [[S, F, outcome]])]
    with pytest.raises(UsageError, match=r"no counted outcome for 1 of its 3 .*--resume"):
        compare_runs(runs)


def test_one_policy_with_other_seeds_than_the_other_is_refused(make_run: MakeRun) -> None:
    runs = [
        make_run("a0", spread(8), policy="a"),
        make_run("a1", spread(8), policy="a", seed=1),
        make_run("b0", spread(8), policy="b"),
    ]
    with pytest.raises(UsageError, match=r"a has 2 runs, b has 1 run: they cannot be paired"):
        compare_runs(runs)


def test_one_run_and_the_same_run_twice_are_refused(make_run: MakeRun) -> None:
    run = make_run("a", spread(8))
    with pytest.raises(UsageError, match="at least two"):
        compare_runs([run])
    with pytest.raises(UsageError, match="given twice"):
        compare_runs([run, run])


# ---- warnings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"privileged": True}, "used the simulator's state"),
        ({"unpinned": {"mujoco": "3.4.0"}}, "other than the pinned ones"),
        ({"suite_facts": {"mujoco": "3.4.0"}}, "mujoco is 3.3.2 for .*a and 3.4.0 for .*b"),
    ],
)
def test_what_may_explain_a_difference_is_said(
    make_run: MakeRun, options: dict[str, Any], said: str
) -> None:
    a = make_run("a", spread(8))
    facts = options.pop("suite_facts", None)
    b = make_run("b", spread(8), **options)
    if facts is not None:
        b.add_provenance(suite=facts)
    assert any(re.search(said, text) for text in compare_runs([a, b]).warnings)


def test_two_plain_runs_need_no_warning(make_run: MakeRun) -> None:
    assert compare_runs([make_run("a", spread(8)), make_run("b", spread(9))]).warnings == ()


# ---- the command -----------------------------------------------------------------------------


def test_the_command_prints_tables_and_a_conclusion(wambench: Run, make_run: MakeRun) -> None:
    make_run("a", spread(8))
    make_run("b", spread(16))
    process = wambench("compare", "a", "b")
    assert process.returncode == 0, process.stderr
    assert "b is better than a at 5 % (p < 0.0001)" in process.stdout
    assert "+40.0" in process.stdout
    same = wambench("compare", "a", "b", "--level", "0.99").stdout
    assert "99 % intervals" in same


def test_equal_results_are_not_called_equality(wambench: Run, make_run: MakeRun) -> None:
    make_run("a", spread(10))
    make_run("b", spread(10))
    said = wambench("compare", "a", "b").stdout
    assert "not told apart" in said
    assert "does not show that they are equal" in said


def test_json_holds_everything_the_tables_show(wambench: Run, make_run: MakeRun) -> None:
    for name, n in (("a", 8), ("b", 16), ("c", 15)):
        make_run(name, spread(n))
    process = wambench("compare", "a", "b", "c", "--json")
    told = json.loads(process.stdout)
    assert told["paired"] is True
    assert told["test"] == "exact McNemar"
    assert [p["rate"] for p in told["policies"]] == [0.4, 0.8, 0.75]
    assert [p["letters"] for p in told["policies"]] == ["b", "a", "a"]
    assert {(d["a"], d["b"]): d["better"] for d in told["differences"]} == {
        ("a", "b"): "b",
        ("a", "c"): "c",
        ("b", "c"): None,
    }
    assert told["policies"][0]["tasks"][0]["interval"]["low"] < 0.4
    assert told["policies"][0]["over_tasks"] is None, "its tasks have equal rates"
    assert told["intervals"]["bootstrap"] == {"resamples": 10000, "seed": 0}


def test_a_refusal_is_one_line(wambench: Run, make_run: MakeRun) -> None:
    make_run("a", spread(8))
    make_run("b", spread(8), seed=1)
    process = wambench("compare", "a", "b")
    assert process.returncode == 2
    assert process.stderr.startswith("error: a and b did not run the same episodes")
    assert process.stderr.count("\n") == 1
    assert wambench("compare", "a", "b", "--unpaired").returncode == 0
    assert "from 0.5 to below 1" in wambench("compare", "a", "b", "--level", "95").stderr
