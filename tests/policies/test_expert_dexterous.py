"""The dexterous expert, on the real simulator: it solves tasks, and what it holds stays held."""

from __future__ import annotations

import numpy as np
import pytest

from wambench.protocol import Needs
from wambench_envs.bfa.env import BFAEnv
from wambench_envs.bfa.suite import BFASuite
from wambench_policies.expert.dexterous.execution import execute
from wambench_policies.expert.dexterous.hand import AXIS, TIP_RADIUS, Hand


def make(suite: str, name: str) -> BFAEnv:
    """The environment of a task by its name."""
    built = BFASuite(suite)
    (task,) = (task for task in built.tasks() if task.name == name)
    env = built.make_env(task, Needs())
    assert isinstance(env, BFAEnv)
    return env


def solve(env: BFAEnv, seed: int) -> bool:
    """Whether the expert solves an episode."""
    env.reset(seed=seed)
    actions = execute(env)
    return any(env.control_step(next(actions)) for _ in range(env.task.max_steps))


@pytest.mark.parametrize(
    ("suite", "name"),
    [
        ("bfa_seen", "apple_left"),
        ("bfa_seen", "cucumber_right"),
        ("bfa_seen", "water_bottle_left"),
        ("bfa_unseen_instances", "boxed_drink_right"),
        ("bfa_unseen_categories", "donut_left"),
    ],
)
def test_it_lifts_an_object_and_sets_it_down_on_the_side_it_is_told(suite: str, name: str) -> None:
    env = make(suite, name)
    assert solve(env, 3)
    assert env.metrics() == {"contact": 1.0, "lifted": 1.0}
    moved = env.object_centre()[1] - env.start[1]
    assert (moved > 0.1) if name.endswith("left") else (moved < -0.1)
    env.close()


@pytest.mark.slow
def test_it_solves_most_of_all_categories() -> None:
    solved = []
    for suite in ("bfa_seen", "bfa_unseen_categories"):
        for task in BFASuite(suite).tasks():
            env = make(suite, task.name)
            solved.append(solve(env, 50 + task.index))
            env.close()
    assert np.mean(solved) >= 0.8


@pytest.mark.parametrize("category", ["tomato", "can", "corn", "ketchup", "jam", "pear"])
def test_a_grasped_object_survives_a_lift_a_shake_and_five_seconds_in_the_air(
    category: str,
) -> None:
    env = make("bfa_seen", f"{category}_left")
    env.reset(seed=11)
    actions = execute(env)
    for _ in range(200):
        action = next(actions)
        env.control_step(action)
        if env.object_centre()[2] - env.start[2] > 0.08:
            break
    held = env.object_centre() - env.agent_pos()[:3]
    assert held[2] < 0.0
    for step in range(30):  # 4 cm to and fro, about twice a second, in two directions
        shaken = action.copy()
        shaken[:2] += 0.02 * np.array([np.sin(0.8 * step), np.cos(0.8 * step) - 1.0])
        env.control_step(shaken)
    after = env.object_centre() - env.agent_pos()[:3]
    for _ in range(75):
        env.control_step(action)
        assert env.touching() == (True, False)
    later = env.object_centre() - env.agent_pos()[:3]
    assert np.abs(after - held).max() < 0.015
    assert np.abs(later - after).max() < 0.01
    env.close()


@pytest.mark.parametrize("width", [0.035, 0.05, 0.065, 0.08])
def test_fingertips_and_thumb_meet_a_width_from_opposite_sides(width: float) -> None:
    env = make("bfa_seen", "apple_left")
    hand = Hand(env.mj_model)
    shape = hand.around(width, 0.024, ball=False)
    tips, pads = hand.tips(shape.angles)
    gaps = (tips[3] - tips[:3]) @ AXIS - 2 * TIP_RADIUS
    np.testing.assert_allclose(gaps, width, atol=0.006)
    assert (pads[:3] @ AXIS > 0.6).all()
    assert pads[3] @ AXIS < -0.6
    assert ((shape.angles > hand.low) & (shape.angles < hand.high)).all()
    env.close()
