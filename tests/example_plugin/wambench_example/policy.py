"""A policy that finds the red target in the picture and drives the point there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Needs, Observation, Policy, SuiteSpec


class GoToTarget(Policy):
    """Goes straight to where it sees the target.

    Args:
        spec: The suite.
        chunk: How many actions are planned and executed at once.
        noise: Standard deviation of noise added to every action.
    """

    needs = Needs(cameras=("top",), image_size=(32, 32))

    def __init__(self, spec: SuiteSpec, chunk: int = 4, noise: float = 0.0) -> None:
        self.horizon = self.execute = chunk
        self._noise = noise
        self._dim = spec.action_dim

    def act(self, batch: Sequence[Observation]) -> NDArray[np.float64]:
        """(B, chunk, 2) velocities towards the target."""
        return np.stack([self._plan(observation) for observation in batch])

    def _plan(self, observation: Observation) -> NDArray[np.float64]:
        red = observation.pixels["top"][:, :, 0] > 200
        rows, columns = np.nonzero(red)
        target = np.array([columns.mean(), rows.mean()]) / 16 - 1
        step = np.clip((target - observation.agent_pos) / 0.1, -1, 1)
        chunk = np.tile(step, (self.horizon, 1))
        return chunk + self._noise * observation.rng.normal(size=chunk.shape)
