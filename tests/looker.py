"""A policy that holds still and compares what it sees with the subgoals it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Episode, Needs, Observation, Policy, SuiteSpec


class Looker(Policy):
    """Asks for a subgoal every 30 steps."""

    needs = Needs(("head",), (32, 32), subgoals=30)
    horizon = execute = 30

    def __init__(self, spec: SuiteSpec) -> None:
        self._hold = np.asarray(spec.hold_action)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        for seen in batch:
            assert seen.subgoals is not None
            assert seen.subgoals.pixels["head"].shape == (len(seen.subgoals.steps), 32, 32, 3)
        return np.tile(self._hold, (len(batch), 30, 1))

    def measure(self, last: Observation) -> Mapping[str, float]:
        assert last.subgoals is not None
        goal = last.subgoals.pixels["head"][-1].astype(float)
        return {"off": float(np.abs(last.pixels["head"] - goal).mean()), "end": float(last.step)}

    def decisions(self, episode: Episode) -> Mapping[str, NDArray[Any]]:
        return {"who": np.array(episode.key)}
