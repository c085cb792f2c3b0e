"""The baselines keep within bounds, repeat themselves, and ask for the cameras they are told to."""

from __future__ import annotations

import numpy as np
import pytest

from wambench.errors import PolicyContractError
from wambench.protocol import Episode, Observation, SuiteSpec, episode_rng
from wambench_policies.baselines.hold import Hold
from wambench_policies.baselines.random import Random

SPEC = SuiteSpec(
    name="bench",
    backend="embedded",
    embodiment="panda",
    action_names=("x", "y", "gripper"),
    action_low=(-1.0, -2.0, 0.0),
    action_high=(1.0, 3.0, 0.5),
    state_names=("x", "y"),
    cameras=("front", "wrist"),
    control_hz=20.0,
    hold_action=(0.0, 0.0, 0.25),
)


def observation(seed: int, step: int = 0) -> Observation:
    episode = Episode("bench", "embedded", 0, "task", seed, seed, -1, "do it", 100)
    return Observation(episode, step, {}, np.zeros(2, np.float32), episode_rng(seed, step))


def test_random_actions_fill_the_bounds_and_never_leave_them() -> None:
    actions = Random(SPEC, chunk=500).act([observation(0)])[0]
    low, high = np.array(SPEC.action_low), np.array(SPEC.action_high)
    assert actions.shape == (500, 3)
    assert (actions >= low).all()
    assert (actions <= high).all()
    np.testing.assert_allclose(actions.min(axis=0), low, atol=0.05 * (high - low).max())
    np.testing.assert_allclose(actions.max(axis=0), high, atol=0.05 * (high - low).max())


def test_random_answers_an_observation_in_a_batch_as_it_would_alone() -> None:
    policy = Random(SPEC, chunk=4)
    together = policy.act([observation(seed) for seed in (3, 1, 2)])
    alone = [policy.act([observation(seed)])[0] for seed in (3, 1, 2)]
    np.testing.assert_array_equal(together, alone)


def test_random_draws_anew_at_every_step() -> None:
    policy = Random(SPEC)
    assert not np.array_equal(policy.act([observation(0, 0)]), policy.act([observation(0, 1)]))


def test_hold_repeats_the_hold_action_for_the_whole_chunk() -> None:
    actions = Hold(SPEC, chunk=3).act([observation(0), observation(1)])
    np.testing.assert_array_equal(actions, np.tile(SPEC.hold_action, (2, 3, 1)))


@pytest.mark.parametrize("policy", [Hold, Random])
def test_the_chunk_argument_sets_horizon_and_execute(policy: type[Hold] | type[Random]) -> None:
    built = policy(SPEC, chunk=8)
    assert (built.horizon, built.execute) == (8, 8)
    assert built.act([observation(0)]).shape == (1, 8, 3)
    with pytest.raises(PolicyContractError, match="chunk is 0"):
        policy(SPEC, chunk=0)


@pytest.mark.parametrize("policy", [Hold, Random])
def test_cameras_are_asked_for_only_when_named(policy: type[Hold] | type[Random]) -> None:
    assert policy(SPEC).needs.cameras == ()
    needs = policy(SPEC, cameras="front, wrist", image_size=64).needs
    assert needs.cameras == ("front", "wrist")
    assert needs.image_size == (64, 64)
    with pytest.raises(PolicyContractError, match="no camera side"):
        policy(SPEC, cameras="side")
