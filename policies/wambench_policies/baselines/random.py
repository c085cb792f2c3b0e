"""A policy that acts at random: what luck alone achieves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Observation, Policy, SuiteSpec
from wambench_policies.baselines.cameras import camera_needs, checked_length


class Random(Policy):
    """Draws every action uniformly within the bounds, from the observation's own generator.

    Args:
        spec: The suite.
        chunk: How many actions it draws at a time, all of which are executed.
        cameras: Cameras to render although nobody looks, names separated by commas; for measuring.
        image_size: Height and width of their images in pixels.
    """

    def __init__(
        self, spec: SuiteSpec, chunk: int = 1, cameras: str = "", image_size: int = 256
    ) -> None:
        self.needs = camera_needs(spec, cameras, image_size)
        self.horizon = self.execute = checked_length(chunk)
        self._low = np.asarray(spec.action_low, dtype=np.float64)
        self._high = np.asarray(spec.action_high, dtype=np.float64)

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, chunk, A) independent uniform actions."""
        shape = (self.horizon, len(self._low))
        return np.stack(
            [observation.rng.uniform(self._low, self._high, shape) for observation in batch]
        )
