"""Runs on the BFA suites: records that do not depend on the schedule, and metrics in the table."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from wambench.evaluate import Execution, Request, start_run
from wambench.report.console import results_table
from wambench.report.summary import summarise_run
from wambench.results.record import EpisodeRecord
from wambench.results.run import RunDirectory


def run(out: Path, policy: str, workers: int, tasks: list[int], trials: int = 1) -> RunDirectory:
    """A run with seed 4."""
    request = Request(policy, "bfa_seen", out, trials=trials, seed=4, tasks=tasks)
    return start_run(request, Execution(workers=workers))


def table(made: RunDirectory) -> str:
    """The closing table as text."""
    console = Console(width=160)
    with console.capture() as capture:
        console.print(results_table(made, summarise_run(made)))
    return capture.get()


def test_one_and_two_workers_give_the_same_records_with_metrics(tmp_path: Path) -> None:
    first = run(tmp_path / "one", "expert", 1, [1, 26])
    second = run(tmp_path / "two", "expert", 2, [1, 26])
    records = [{k: r.comparable() for k, r in made.records().items()} for made in (first, second)]
    assert records[0] == records[1]
    for record in first.records().values():
        assert record.outcome == "success"
        assert record.metrics == {"contact": 1.0, "lifted": 1.0}
    assert "contact" in table(first)
    assert summarise_run(first).suite.metrics == {"contact": 1.0, "lifted": 1.0}


def test_a_policy_that_does_nothing_touches_and_lifts_nothing(tmp_path: Path) -> None:
    made = run(tmp_path / "hold", "hold", 1, [0])
    (record,) = made.records().values()
    assert (record.outcome, record.metrics) == ("failure", {"contact": 0.0, "lifted": 0.0})


def test_means_are_over_counted_episodes_only_and_old_records_have_no_metrics(
    tmp_path: Path,
) -> None:
    made = run(tmp_path / "run", "expert", 1, [1], trials=2)
    first, second = made.records().values()
    with made.locked():
        made.append(first.model_copy(update={"metrics": {"contact": 0.0, "lifted": 0.5}}))
        made.append(second.model_copy(update={"outcome": "env_error", "metrics": {}}))
    summary = summarise_run(made).suite
    assert summary.trials == 1
    assert summary.metrics == {"contact": 0.0, "lifted": 0.5}
    line = second.model_dump()
    del line["metrics"]
    assert EpisodeRecord(**line).metrics == {}
