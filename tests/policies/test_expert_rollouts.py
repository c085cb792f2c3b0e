"""The expert solves LIBERO tasks through the benchmark's ordinary actions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("libero", reason="LIBERO is not installed in this environment")

from wambench.env import BenchmarkEnv
from wambench.protocol import Policy
from wambench_policies.expert import Expert

Started = Callable[[str, int], BenchmarkEnv]
Rollout = Callable[[Policy, BenchmarkEnv, int], tuple[bool, np.ndarray]]


@pytest.mark.parametrize(
    ("name", "task"), [("libero_object", 1), ("libero_object", 4), ("libero_spatial", 4)]
)
def test_the_expert_solves_a_task(started: Started, rollout: Rollout, name: str, task: int) -> None:
    env = started(name, task)
    solved, actions = rollout(Expert(env.suite_spec), env, 2)
    assert solved
    assert len(actions) < 160, "without falling back on a second attempt"
    assert np.abs(actions).max() <= 1.0


def test_the_same_episode_gets_the_same_actions_whatever_ran_before(
    started: Started, rollout: Rollout
) -> None:
    env = started("libero_object", 6)
    first = rollout(Expert(env.suite_spec), env, 3)[1]
    expert = Expert(env.suite_spec)
    rollout(expert, env, 7)
    np.testing.assert_array_equal(rollout(expert, env, 3)[1], first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libero_object", "libero_spatial"])
@pytest.mark.parametrize("task", range(10))
def test_the_expert_solves_every_task_from_several_states(
    started: Started, rollout: Rollout, name: str, task: int
) -> None:
    env = started(name, task)
    expert = Expert(env.suite_spec)
    solved = [rollout(expert, env, init_state)[0] for init_state in range(0, 50, 10)]
    assert np.mean(solved) >= 0.8
