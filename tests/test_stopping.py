"""Runs that end when a comparison is decided: what is decided, from what, and what is left."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import Run
from wambench.errors import UsageError
from wambench.evaluate import Execution, Request, Silent, resume_run, start_run
from wambench.manifest import rounds
from wambench.report.leaderboard_rows import collect
from wambench.report.summary import summarise_run
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory
from wambench.runner.scheduler import Limits
from wambench.stopping import Referee, decision_of

SUITE = "faulty_reach"
POLICY = "example_go_to_target"
WEAK, GOOD = {"noise": 4.0}, {"noise": 2.0}
"""Solve about 50 % and 83 %."""


def request(out: Path, **options: object) -> Request:
    """40 trials of 3 tasks."""
    return Request(POLICY, SUITE, out, **({"trials": 40, "seed": 3} | options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of a policy that solves about half."""
    out = tmp_path_factory.mktemp("weak") / "weak"
    start_run(request(out, policy_arguments=WEAK), Execution(workers=2))
    return out


@pytest.fixture(scope="module")
def stopped(weak: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a better policy, stopped when that was clear."""
    out = tmp_path_factory.mktemp("stopped") / "stopped"
    start_run(request(out, against=weak, stop=True, policy_arguments=GOOD), Execution(workers=2))
    return out


# ---- the order -------------------------------------------------------------------------------


def test_every_round_holds_one_episode_of_every_task_and_all_rounds_hold_all_episodes(
    weak: Path,
) -> None:
    manifest = RunDirectory(weak).manifest
    order = rounds(manifest)
    assert [sorted(e.task for e in episodes) for episodes in order] == [[0, 1, 2]] * 40
    assert sorted(e.key for r in order for e in r) == sorted(e.key for e in manifest.episodes)
    assert rounds(manifest) == order
    trials = [e.trial for r in order for e in r if e.task == 0]
    assert trials != sorted(trials), "drawn, not counted up"
    orders = {tuple(e.task for e in episodes) for episodes in order}
    assert len(orders) > 1


# ---- stopping --------------------------------------------------------------------------------


def test_a_clear_comparison_ends_the_run_early_and_the_decision_is_stored(
    weak: Path, stopped: Path
) -> None:
    run = RunDirectory(stopped)
    records = run.records()
    decision = decision_of(run, records)
    assert decision is not None
    assert decision.verdict == "b better"
    assert decision.interval[0] > 0
    assert len(records) < 120
    first = [e.key for r in rounds(run.manifest)[: decision.rounds] for e in r]
    assert set(first) <= set(records)
    assert len(records) - len(first) < 6, "only what was under way comes on top"
    assert {k: r.outcome for k, r in run.baseline().items()} == {
        k: r.outcome for k, r in RunDirectory(weak).records().items()
    }


def test_the_decision_depends_on_the_rounds_alone_not_on_what_ended_first(
    weak: Path, stopped: Path, tmp_path: Path
) -> None:
    other = start_run(
        request(tmp_path / "one", against=weak, stop=True, policy_arguments=GOOD),
        Execution(workers=1),
    )
    first, second = (RunDirectory(path) for path in (stopped, other.path))
    assert decision_of(first, first.records()) == decision_of(second, second.records())


def test_a_gap_in_the_rounds_ends_what_the_decision_may_look_at(stopped: Path) -> None:
    run = RunDirectory(stopped)
    records = run.records()
    gap = rounds(run.manifest)[2][1].key
    without = {key: record for key, record in records.items() if key != gap}
    decision = Referee(run).decide(without)
    assert decision.rounds == 2
    assert decision.verdict == "undecided"


def test_successes_that_end_first_do_not_move_the_decision(stopped: Path) -> None:
    """Of the last rounds only the successes have ended: no look may use them."""
    run = RunDirectory(stopped)
    records = run.records()
    order = rounds(run.manifest)
    kept = {e.key for r in order[:3] for e in r}
    ended = {k: r for k, r in records.items() if k in kept or r.outcome == "success"}
    failures = {k for k, r in records.items() if r.outcome == "failure"} - kept
    assert failures, "the test needs a failure after the third round"
    decision = Referee(run).decide(ended)
    first_gap = min(i for i, r in enumerate(order) if {e.key for e in r} & failures)
    assert decision.rounds <= first_gap


class _Count(Silent):
    """Counts the episodes that are run."""

    def __init__(self) -> None:
        self.records: list[EpisodeRecord] = []

    def record(self, record: EpisodeRecord) -> None:
        self.records.append(record)


@pytest.fixture
def copied(stopped: Path, tmp_path: Path) -> Callable[[], Path]:
    """Copies the stopped run, so that it may be changed."""

    def copy() -> Path:
        return Path(shutil.copytree(stopped, tmp_path / "copy"))

    return copy


def test_resuming_a_stopped_run_runs_nothing_unless_told_to_go_on(
    copied: Callable[[], Path],
) -> None:
    path = copied()
    before = decision_of(RunDirectory(path), RunDirectory(path).records())
    counted = _Count()
    resume_run(path, {}, Execution(workers=1, progress=counted))
    assert counted.records == []
    resume_run(path, {}, Execution(workers=1, progress=counted, to_the_end=True))
    run = RunDirectory(path)
    assert len(run.records()) == 120
    summary = summarise_run(run)
    assert not summary.stopped_early
    assert summary.suite.rate is not None, "of all episodes, so not biased any more"
    assert summary.decision == before, "the decision is still that of its round"


def test_an_interrupted_run_goes_on_to_the_same_decision(copied: Callable[[], Path]) -> None:
    path = copied()
    whole = decision_of(RunDirectory(path), RunDirectory(path).records())
    lines = (path / "episodes.jsonl").read_text().splitlines(keepends=True)
    (path / "episodes.jsonl").write_text("".join(lines[:9]))
    resume_run(path, {}, Execution(workers=2))
    run = RunDirectory(path)
    assert decision_of(run, run.records()) == whole


def test_an_episode_that_ends_in_an_error_is_passed_over_by_no_look(
    weak: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = tmp_path / "faults"
    faults.mkdir()
    monkeypatch.setenv("FAULTS", str(faults))
    manifest = RunDirectory(weak).manifest
    third = rounds(manifest)[2][0]
    fault = faults / f"raise-{third.task}-{third.init_state}"
    fault.write_text("1000")
    run = start_run(
        request(tmp_path / "run", against=weak, stop=True, policy_arguments=GOOD),
        Execution(workers=2, limits=Limits(retries=0)),
    )
    decision = decision_of(run, run.records())
    assert decision is not None
    assert decision.rounds <= 2
    assert not decision.decided
    fault.unlink()
    resume_run(run.path, {}, Execution(workers=2))
    decision = decision_of(run, run.records())
    assert decision is not None
    assert decision.verdict == "b better"


# ---- what a stopped run shows ----------------------------------------------------------------


def test_a_stopped_run_has_a_decision_and_no_success_rate(stopped: Path) -> None:
    summary = summarise_run(RunDirectory(stopped))
    assert summary.stopped_early
    assert summary.suite.rate is None
    assert summary.over_tasks is None
    low, high = summary.suite.bounds
    assert low < high
    (row,) = collect([RunDirectory(stopped)])
    assert any(mark.startswith("stopped early") for mark in row.marks)


def test_the_command_line_stops_says_why_and_exits_with_0(
    wambench: Run, weak: Path, tmp_path: Path
) -> None:
    process = wambench(
        *("eval", "--policy", POLICY, "--suite", SUITE, "--against", weak, "--stop-when-decided"),
        *("--out", "run", "--workers", "2"),
    )
    assert process.returncode == 0, process.stderr
    assert "is better than" in process.stdout
    assert "wrong in at most 5 % of comparisons" in process.stdout
    assert "Stopped early" in process.stdout
    assert "--resume run --no-stop-when-decided" in process.stdout
    stored = json.loads((tmp_path / "run" / "decision.json").read_text())
    assert stored["verdict"] == "b better"
    assert stored["a"]["run"] == weak.as_posix()
    again = wambench("eval", "--resume", "run")
    assert again.returncode == 0
    assert "nothing is run" in again.stdout
    told = [line for line in process.stdout.splitlines() if line.startswith("Decided")]
    assert told == [
        line for line in wambench("report", "run").stdout.splitlines() if line.startswith("Decided")
    ]
    refused = wambench("compare", weak, "run")
    assert refused.returncode == 2
    assert "at a moment that favours one of the two" in refused.stderr
    assert "--no-stop-when-decided" in refused.stderr
    whole = wambench("eval", "--resume", "run", "--no-stop-when-decided")
    assert whole.returncode == 0
    assert "Stopped early" not in whole.stdout
    assert "Note: run had a stopping rule" in wambench("compare", weak, "run").stdout


def test_an_undecided_run_goes_to_the_end_and_says_so(
    wambench: Run, weak: Path, tmp_path: Path
) -> None:
    process = wambench(
        *("eval", "--policy", POLICY, "--suite", SUITE, "--against", weak, "--stop-when-decided"),
        *("--policy-arg", "noise=4.0", "--level", "0.9999", "--out", "run"),
    )
    assert process.returncode == 0, process.stderr
    assert "Undecided" in process.stdout
    assert "rounds 1 to 40 of 40" in process.stdout
    assert "0.01 % of comparisons" in process.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--stop-when-decided",), "--against"),
        (("--against", "WEAK", "--margin", "0.1"), "Add --stop-when-decided"),
        (("--against", "WEAK", "--stop-when-decided", "--margin", "5"), "for five percentage"),
        (("--against", "WEAK", "--stop-when-decided", "--level", "95"), "Use for example 0.95"),
        (("--against", "WEAK", "--trials", "3"), "40 trials per task, the other 3"),
        (("--against", "WEAK", "--suite", "example_reach"), "on faulty_reach, the other"),
        (("--against", "WEAK", "--seed", "4"), "run seed 3, the other 4"),
        (("--against", "WEAK", "--tasks", "0,2"), "all tasks, the other tasks 0, 2"),
        (("--against", "nowhere"), "holds no run"),
        (("--against", "WEAK", "--level", "95"), "Use for example 0.95"),
        (("--level", "0.9"), "--level is that of a comparison"),
        (("--against", "WEAK", "--suite", "example_reach"), "Name a run on the same suite"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused_before_anything_runs(
    wambench: Run, weak: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    given = [str(weak) if option == "WEAK" else option for option in options]
    process = wambench("eval", "--policy", POLICY, "--suite", SUITE, *given, "--out", "run")
    assert process.returncode == 2, process.stdout
    assert said in process.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--level", "0.9"), "which has 0.95"),
        (("--margin", "0.1"), "which has None"),
        (("--against", "elsewhere"), "differs from the rule"),
    ],
)
def test_the_rule_of_a_run_cannot_be_changed_once_it_has_begun(
    wambench: Run, stopped: Path, options: tuple[str, ...], said: str
) -> None:
    process = wambench("eval", "--resume", stopped, *options)
    assert process.returncode == 2
    assert said in process.stderr
    assert "guarantees nothing" in process.stderr


def test_a_rule_cannot_be_made_after_outcomes_were_seen(wambench: Run, weak: Path) -> None:
    process = wambench("eval", "--resume", weak, "--stop-when-decided", "--against", weak)
    assert process.returncode == 2
    assert "guarantees nothing" in process.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--against", "OTHER"), "1 trials per task, the other 40"),
        (("--against", "WEAK"), "cannot be compared with itself"),
        (("--level", "0.9"), "--level is that of a comparison"),
    ],
)
def test_a_run_goes_on_only_when_it_can_be_compared_as_asked(
    wambench: Run, weak: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    other = tmp_path / "other"
    start_run(request(other, seed=4, trials=1), Execution(workers=1))
    run = shutil.copytree(weak, tmp_path / "run")
    lines = (run / "episodes.jsonl").read_text().splitlines(keepends=True)
    (run / "episodes.jsonl").write_text("".join(lines[:-1]))
    paths = {"OTHER": other, "WEAK": run}
    process = wambench("eval", "--resume", run, *(paths.get(o, o) for o in options))
    assert process.returncode == 2
    assert said in process.stderr
    assert (run / "episodes.jsonl").read_text() == "".join(lines[:-1]), "nothing was run"


def test_a_baseline_with_episodes_missing_is_refused(weak: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(weak, tmp_path / "cut"))
    lines = (cut / "episodes.jsonl").read_text().splitlines(keepends=True)
    (cut / "episodes.jsonl").write_text("".join(lines[:-2]))
    with pytest.raises(UsageError, match=re.escape("no counted outcome for 2 of its 120")):
        start_run(request(tmp_path / "run", against=cut), Execution(workers=1))


def test_a_run_without_a_rule_is_compared_at_its_end(wambench: Run, weak: Path) -> None:
    process = wambench(
        *("eval", "--policy", POLICY, "--suite", SUITE, "--against", weak, "--out", "run"),
        *("--policy-arg", "noise=2.0", "--workers", "2"),
    )
    assert process.returncode == 0, process.stderr
    assert "exact McNemar test" in process.stdout
    assert re.search(r"run is better than \S*weak at 5 %", process.stdout)
