"""Complete runs in the embedded kitchens: what needs no skill, and what the expert's skills do."""

from __future__ import annotations

from pathlib import Path

import pytest

from wambench.evaluate import Execution, Request, start_run
from wambench.results.run import RunDirectory


def run(out: Path, policy: str, max_steps: int | None = None) -> RunDirectory:
    """A run of all 24 tasks, three episodes each."""
    request = Request(policy, "robocasa24", out, backend="embedded", trials=3, max_steps=max_steps)
    return start_run(request, Execution(workers=2))


def solved(finished: RunDirectory) -> dict[str, list[bool]]:
    """Whether each trial was solved, by the name of the task."""
    found: dict[str, list[bool]] = {}
    for record in finished.records().values():
        assert record.counted, record
        found.setdefault(record.task_name, []).append(record.outcome == "success")
    return found


@pytest.mark.slow
def test_no_task_is_solved_by_holding_still(tmp_path: Path) -> None:
    # What stands still after five seconds stays so for the rest of an episode.
    outcomes = solved(run(tmp_path, "hold", max_steps=100))
    assert len(outcomes) == 24
    assert not any(any(trials) for trials in outcomes.values())


@pytest.mark.slow
def test_random_actions_solve_no_task_but_by_chance(tmp_path: Path) -> None:
    """An arm that flails has closed a drawer, once in three trials."""
    outcomes = solved(run(tmp_path, "random"))
    assert len(outcomes) == 24
    lucky = {name: sum(trials) for name, trials in outcomes.items() if any(trials)}
    assert sum(lucky.values()) <= 1, lucky


@pytest.mark.slow
def test_the_expert_solves_every_task_in_one_of_three_kitchens(tmp_path: Path) -> None:
    outcomes = solved(run(tmp_path, "expert"))
    assert len(outcomes) == 24
    assert [name for name, trials in outcomes.items() if not any(trials)] == []
