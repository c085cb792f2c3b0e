"""Temporal ensembling: the mean of what overlapping chunks say of one moment.

From "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware" (ACT, Zhao et al. 2023),
Sec. IV-B: the action at a step is the mean of all predictions for it, weighted by exp(-m · i),
where i = 0 is the oldest of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from wambench.errors import UsageError


class TemporalEnsemble:
    """Remembers the chunks of running episodes.

    What it says of an episode depends on that episode's own chunks alone.

    Args:
        rate: m; the greater, the more the oldest prediction counts (0.01 in the paper). 0 weighs
            all alike.

    Raises:
        UsageError: The rate is negative.
    """

    def __init__(self, rate: float) -> None:
        if not rate >= 0:
            raise UsageError(
                f"ensemble={rate:g} gives newer predictions a weight that grows without bound.",
                "Use 0 or more; the paper has 0.01.",
            )
        self.rate = rate
        self._chunks: dict[str, dict[int, NDArray[np.float32]]] = {}

    def forget(self, episodes: Iterable[str]) -> None:
        """Drops what was kept for episodes."""
        for key in episodes:
            self._chunks.pop(key, None)

    def add(
        self, episode: str, step: int, chunk: NDArray[np.float32], count: int
    ) -> NDArray[np.float32]:
        """The means for the next `count` steps, a new chunk included.

        Args:
            episode: Which episode.
            step: Control steps executed before the chunk's first action.
            chunk: (H, A) prediction for the steps from `step` on.
            count: At most H.

        Returns:
            (count, A).
        """
        kept = {
            begin: old
            for begin, old in self._chunks.get(episode, {}).items()
            if begin < step < begin + len(old)
        }
        kept[step] = chunk
        self._chunks[episode] = kept
        return np.stack([self._mean(kept, moment) for moment in range(step, step + count)])

    def _mean(self, kept: dict[int, NDArray[np.float32]], moment: int) -> NDArray[np.float32]:
        said = [
            kept[begin][moment - begin]
            for begin in sorted(kept)
            if moment < begin + len(kept[begin])
        ]
        weights = np.exp(-self.rate * np.arange(len(said)))
        mean: NDArray[np.float32] = np.average(said, axis=0, weights=weights).astype(np.float32)
        return mean
