"""A policy whose episodes begin with a prologue: first it drifts, then it goes to the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.protocol import PROLOGUE, Episode, Needs, Observation, SuiteSpec
from wambench_example.policy import GoToTarget


class Late(GoToTarget):
    """Drifts for some steps.

    Args:
        spec: The suite.
        prologue: How many.
        again: Step at which it says once more that it is in the prologue; never where negative.
    """

    needs = Needs(("top",), (32, 32), privileged=True)

    def __init__(self, spec: SuiteSpec, prologue: int = 3, again: int = -1) -> None:
        super().__init__(spec, chunk=1)
        self._prologue, self._again, self._step = prologue, again, 0

    def act(self, batch: Sequence[Observation]) -> NDArray[np.floating[Any]]:
        (seen,) = batch
        self._step = seen.step
        if seen.step < self._prologue:
            return np.full((1, 1, 2), 0.25)
        return super().act(batch)

    def doing(self, episode: Episode) -> str:
        early = self._step < self._prologue or self._step == self._again
        return PROLOGUE if early else "go to the target"
