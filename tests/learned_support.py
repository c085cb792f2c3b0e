"""The suite that synthetic demonstrations are of, and what a policy sees of it."""

from __future__ import annotations

import numpy as np

from training_support import FACTS
from wambench.protocol import Episode, Observation, SuiteSpec, episode_rng

SPEC = SuiteSpec(
    name="libero_goal",
    backend="embedded",
    embodiment="panda",
    action_names=FACTS.action_names,
    action_low=FACTS.action_low,
    action_high=FACTS.action_high,
    state_names=FACTS.state_names,
    cameras=("agentview", "robot0_eye_in_hand", "frontview"),
    control_hz=20.0,
    hold_action=(0.0,) * 7,
)


def observation(seed: int, step: int = 0) -> Observation:
    rng = np.random.default_rng([seed, step, 9])
    episode = Episode("libero_goal", "embedded", 0, "task_0", seed, seed, -1, "do task 0", 300)
    pixels = {c: rng.integers(0, 256, (48, 48, 3), np.uint8) for c in SPEC.cameras[:2]}
    state = rng.normal(size=3).astype(np.float32)
    return Observation(episode, step, pixels, state, episode_rng(seed, step))
