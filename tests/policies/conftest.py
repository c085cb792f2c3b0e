"""Real LIBERO scenes for the tests of the expert, and runs of one episode."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from wambench.env import BenchmarkEnv
from wambench.protocol import Episode, Needs, Observation, Policy, Suite, episode_rng


@lru_cache(maxsize=8)
def embedded(name: str) -> Suite:
    """A LIBERO suite on the embedded backend, built once."""
    from wambench_envs.libero.suite import LiberoSuite

    return LiberoSuite(name, "embedded")


@pytest.fixture(scope="session")
def suite() -> Callable[[str], Suite]:
    """Gives the embedded suite of a name."""
    return embedded


@pytest.fixture(scope="session")
def started() -> Callable[[str, int], BenchmarkEnv]:
    """Builds an environment and puts it at the start of an episode."""

    def start(name: str, task: int) -> BenchmarkEnv:
        env = embedded(name).make_env(embedded(name).tasks()[task], Needs(privileged=True))
        env.reset(seed=0, options={"init_state": 0})
        return env

    return start


def run_episode(policy: Policy, env: BenchmarkEnv, init_state: int) -> tuple[bool, np.ndarray]:
    """Runs one episode; whether it succeeded, and the (steps, 7) actions."""
    task = env.task
    spec = env.suite_spec
    observation, _ = env.reset(seed=init_state, options={"init_state": init_state})
    episode = Episode(
        suite=spec.name,
        backend=spec.backend,
        task=task.index,
        task_name=task.name,
        trial=init_state,
        seed=init_state,
        init_state=init_state,
        instruction=task.instruction,
        max_steps=task.max_steps,
    )
    policy.start([episode])
    actions: list[Any] = []
    solved = ended = False
    while not ended:
        step = len(actions)
        seen = Observation(
            episode, step, {}, observation["agent_pos"], episode_rng(episode.seed, step), env
        )
        chunk = policy.act([seen])[0]
        observation, _, solved, truncated, _ = env.advance(chunk)
        actions.extend(chunk)
        ended = solved or truncated
    policy.finish([episode])
    return solved, np.array(actions)


@pytest.fixture(scope="session")
def rollout() -> Callable[[Policy, BenchmarkEnv, int], tuple[bool, np.ndarray]]:
    """Runs one episode from an initial state."""
    return run_episode
