"""Privileged policies that plan an episode when it begins and then act it out, step by step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.env import BenchmarkEnv
from wambench.errors import PolicyContractError
from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec

Actions = Iterator[NDArray[np.float64]]
"""(A,) actions, one per control step, without end."""


class Scripted(Policy):
    """Base of policies that act out a script.

    Args:
        spec: The suite.
    """

    needs = Needs(privileged=True)
    horizon = 1
    execute = 1

    def __init__(self, spec: SuiteSpec) -> None:
        self.spec = spec
        self._episodes: dict[str, Actions] = {}
        self._doing: dict[str, str] = {}

    @abstractmethod
    def begin(
        self, observation: Observation, env: BenchmarkEnv, say: Callable[[str], None]
    ) -> Actions:
        """The actions of an episode that has just been reset.

        They may be asked for later, when another policy has acted in between: what belongs to the
        episode's start is looked up here, everything else when the first of them is.

        Args:
            observation: What is seen first.
            env: The simulator.
            say: To be called with the name of each step of the script as it begins.
        """

    def start(self, episodes: Sequence[Episode]) -> None:
        """Forgets earlier attempts at these episodes."""
        self.finish(episodes)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, 1, A) next action of each episode."""
        return np.stack([self._next(observation)[None] for observation in batch])

    def doing(self, episode: Episode) -> str:
        """The step of its script that the last action belongs to; empty where it has none."""
        return self._doing.get(episode.key, "")

    def finish(self, episodes: Sequence[Episode]) -> None:
        """Drops what was kept for these episodes."""
        for episode in episodes:
            self._episodes.pop(episode.key, None)
            self._doing.pop(episode.key, None)

    def prepare(self, observation: Observation) -> None:
        """Looks at the start of an episode in which it is to act, now or later."""
        key = observation.episode.key
        if key not in self._episodes:
            if observation.env is None:
                raise PolicyContractError(
                    f"{type(self).__name__} was given no simulator (Observation.env is None).",
                    "Run it as a privileged policy, inside the simulator's process.",
                )
            self._episodes[key] = self.begin(
                observation, observation.env, lambda name: self._doing.update({key: name})
            )

    def _next(self, observation: Observation) -> NDArray[np.float64]:
        self.prepare(observation)
        return next(self._episodes[observation.episode.key])
