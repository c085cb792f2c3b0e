"""Errors of predicted features in standardised space, split by episode.

An error of 1 is that of always predicting the mean. Features x of token n and channel d become
(x - m[n, d]) / s[d], where m is the mean over frames and s² the variance about it, averaged over
tokens: one scale per channel, so that a token of the unchanging background, whose own variance is
almost nothing, does not decide the error. Both come from other episodes than the error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench_policies.diagnostics.ridge import episode_folds

_CONSTANT = 1e-6
"""A channel with a smaller deviation than this never changes; it is left unscaled."""

BATCH = 32
"""Samples that are put through a network together."""


@dataclass(frozen=True)
class Standardiser:
    """Means and scales by fold, each from the frames of the other folds.

    Attributes:
        mean: (F, ..., D).
        scale: (F, D).
        fold: (M,) fold of each sample.
    """

    mean: Tensor
    scale: Tensor
    fold: Tensor

    @classmethod
    def fit(cls, features: Tensor, episodes: NDArray[np.integer[Any]]) -> Self:
        """Measures features.

        Args:
            features: (M, ..., D).
            episodes: (M,) episode of each; at least two different ones.

        Raises:
            ValueError: All are of one episode.
        """
        fold = torch.from_numpy(episode_folds(episodes))
        means, scales = [], []
        for number in range(int(fold.max()) + 1):
            others = features[(fold != number).to(features.device)]
            mean = others.double().mean(0)
            variance = (others.double() - mean).square().flatten(0, -2).mean(0)
            scale = variance.sqrt()
            means.append(mean)
            scales.append(torch.where(scale < _CONSTANT, 1.0, scale))
        return cls(
            torch.stack(means).to(features),
            torch.stack(scales).to(features),
            fold.to(features.device),
        )

    def means(self) -> Tensor:
        """(M, ..., D) what the mean baseline predicts for each sample."""
        return self.mean[self.fold]

    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """(M,) mean squared errors of (M, ..., D) features, standardised."""
        scale = self.scale[self.fold].reshape(
            len(target), *[1] * (target.dim() - 2), target.shape[-1]
        )
        return ((predicted - target) / scale).square().flatten(1).mean(1)


def batched(function: Callable[..., Tensor], *tensors: Any) -> Tensor:
    """Applies a function to slices of samples, and puts its results together."""
    size = len(tensors[0])
    parts = [
        function(*(tensor[begin : begin + BATCH] for tensor in tensors))
        for begin in range(0, size, BATCH)
    ]
    return torch.cat(parts)


def other_samples(episodes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(M,) another sample for each, of another episode wherever the numbers allow.

    A permutation without fixed points: sorted by episode, each takes the one that stands further by
    the size of the largest episode.

    Raises:
        ValueError: There is a single sample.
    """
    count = len(episodes)
    if count < 2:
        raise ValueError("one sample has no other")
    order = np.argsort(episodes, kind="stable")
    largest = int(np.unique(episodes, return_counts=True)[1].max())
    donors = np.empty(count, np.int64)
    donors[order] = np.roll(order, -min(largest, count // 2))
    return donors
