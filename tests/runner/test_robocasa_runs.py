"""Complete runs in the embedded kitchens: what needs no skill, and what the expert's skills do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wambench.evaluate import Execution, Request, start_run
from wambench.manifest import build_manifest
from wambench.protocol import Needs
from wambench.results.run import RunDirectory
from wambench_envs.robocasa.suite import RoboCasaSuite


def run(out: Path, policy: str) -> RunDirectory:
    """A run of all 24 tasks, three episodes each."""
    request = Request(policy, "robocasa24", out, backend="embedded", trials=3)
    return start_run(request, Execution(workers=2))


def solved(finished: RunDirectory) -> dict[str, list[bool]]:
    """Whether each trial was solved, by the name of the task."""
    found: dict[str, list[bool]] = {}
    for record in finished.records().values():
        assert record.counted, record
        found.setdefault(record.task_name, []).append(record.outcome == "success")
    return found


@pytest.mark.slow
def test_no_task_is_solved_by_holding_still() -> None:
    """What stands still after five seconds stays so for the rest of an episode."""
    suite = RoboCasaSuite()
    hold = np.array(suite.spec.hold_action)
    manifest = build_manifest(suite, run_seed=0, trials=3)
    for task in suite.tasks():
        env = suite.make_env(task, Needs())
        for episode in (one for one in manifest.episodes if one.task == task.index):
            env.reset(seed=episode.seed, options={"init_state": episode.init_state})
            for step in range(100):
                assert not env.step(hold)[2], (task.name, episode.trial, step)
        env.close()


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
