"""A policy that does nothing: the floor under every success rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import Observation, Policy, SuiteSpec
from wambench_policies.baselines.cameras import camera_needs, checked_length


class Hold(Policy):
    """Repeats the suite's hold action.

    Args:
        spec: The suite.
        chunk: How many actions it gives at a time, all of which are executed.
        cameras: Cameras to render although nobody looks, names separated by commas; for measuring.
        image_size: Height and width of their images in pixels.
    """

    def __init__(
        self, spec: SuiteSpec, chunk: int = 1, cameras: str = "", image_size: int = 256
    ) -> None:
        self.needs = camera_needs(spec, cameras, image_size)
        self.horizon = self.execute = checked_length(chunk)
        self._chunk = np.tile(np.asarray(spec.hold_action, dtype=np.float64), (chunk, 1))

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        """(B, chunk, A) copies of the hold action."""
        return np.tile(self._chunk, (len(batch), 1, 1))
