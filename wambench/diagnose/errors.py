"""How far answers are from what was demonstrated, in units that compare across dimensions.

A dimension's error is divided by that of the best constant, the median of what was demonstrated:
0 is the demonstration itself, 1 is what one gets without looking. The mean over dimensions gives
less weight to those that demonstrations hardly move: doing nothing there is nearly right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 3.0
"""Relative errors of single dimensions count up to here, so that one that is in other units does
not hide the others."""

_STILL = 1e-6

_BUSY = 0.05
"""Dimensions whose actions are this far from their median, as a fraction of the bounds' span, have
full weight; others less in proportion."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What errors are measured against.

    Attributes:
        scale: (A,) mean distance of demonstrated actions to their median; 0 where nothing moves.
        weight: (A,) weight of each dimension in a mean, 0 to 1.
        low: (A,) lower bounds: answers are clipped as an environment does.
        high: (A,) upper bounds.
    """

    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(
        cls, actions: NDArray[np.float64], low: tuple[float, ...], high: tuple[float, ...]
    ) -> Yardstick:
        """Of demonstrated actions (N, K, A)."""
        flat = actions.reshape(-1, actions.shape[-1])
        scale = np.abs(flat - np.median(flat, axis=0)).mean(axis=0)
        span = np.asarray(high) - np.asarray(low)
        scale = np.where(scale > _STILL * span, scale, 0.0)
        weight = np.minimum(scale / (_BUSY * span), 1.0)
        return cls(scale, weight, np.asarray(low), np.asarray(high))

    @property
    def moving(self) -> NDArray[np.intp]:
        """Dimensions that demonstrations move at all; the others have no error."""
        return np.flatnonzero(self.scale)

    def errors(
        self, answers: NDArray[np.float64], actions: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(N, D) relative errors per place, of the D moving dimensions.

        Args:
            answers: (N, K, A) what the policy would do.
            actions: (N, K, A) what was done.
        """
        within = np.clip(answers, self.low, self.high)
        error = np.abs(within - actions).mean(axis=1)
        relative: NDArray[np.float64] = error[:, self.moving] / self.scale[self.moving]
        return relative

    def mean(
        self, errors: NDArray[np.float64], columns: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """(N,) weighted mean over dimensions of (N, D) relative errors, each up to `MOST`.

        Args:
            errors: What `errors` gave.
            columns: Columns to take the mean over; None for all.
        """
        chosen = np.arange(errors.shape[1]) if columns is None else np.asarray(columns)
        weight = self.weight[self.moving][chosen]
        capped = np.minimum(errors[:, chosen], MOST)
        mean: NDArray[np.float64] = capped @ weight / weight.sum()
        return mean


def correlation(answers: NDArray[np.float64], actions: NDArray[np.float64]) -> float:
    """Pearson's, of one dimension (N, K); 0 where either does not vary."""
    a, b = answers.ravel(), actions.ravel()
    if a.std() < 1e-12 or b.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
