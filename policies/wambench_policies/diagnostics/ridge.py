"""Ridge regression whose R2 is measured on episodes that neither fit nor penalty has seen.

    W = argmin ‖Y - X W‖² / n + λ ‖W‖²        X standardised, Y centred, by the fit's own samples

Windows of one episode are nearly copies of each other, so that a split by window measures memory.
Here every split is by episode: an outer one for R2, and inside each of its fits another one that
chooses λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

PENALTIES = tuple(np.logspace(-5, 3, 17).tolist())
"""Penalties λ that are tried."""

FOLDS = 5
"""Folds of a split, or one per episode where there are fewer."""

_CONSTANT = 1e-9
"""A standard deviation, or a share of the largest sum of squares, below this counts as zero."""


@dataclass(frozen=True)
class Fit:
    """A fitted regression.

    Attributes:
        weights: (P, Q) of standardised inputs.
        x_mean: (P,).
        x_scale: (P,).
        y_mean: (Q,).
    """

    weights: Floats
    x_mean: Floats
    x_scale: Floats
    y_mean: Floats

    def predict(self, x: Floats) -> Floats:
        """(n, P) to (n, Q)."""
        return (x - self.x_mean) / self.x_scale @ self.weights + self.y_mean


@dataclass(frozen=True)
class Regression:
    """Predictions for episodes that were held out, each by the fit of the others.

    Attributes:
        truth: (n, Q).
        predicted: (n, Q).
        mean: (n, Q) mean of the samples that a prediction was fitted on.
        penalties: The λ that was chosen in each fold.
    """

    truth: Floats
    predicted: Floats
    mean: Floats
    penalties: tuple[float, ...]

    def r2(self, columns: Sequence[int] | slice = slice(None)) -> float:
        """1 - SSE / SST over some columns of Y, SST about the mean of the fitted samples.

        1 is perfect; 0 is no better than that mean; NaN where Y never changes.
        """
        spread = ((self.truth - self.mean)[:, columns] ** 2).sum()
        if spread <= _CONSTANT * max(1.0, (self.truth**2).sum()):
            return float("nan")
        return float(1 - ((self.truth - self.predicted)[:, columns] ** 2).sum() / spread)


def episode_folds(episodes: NDArray[np.integer[Any]], folds: int = FOLDS) -> NDArray[np.int64]:
    """(n,) fold of each sample; an episode is in one fold, and folds have similar numbers.

    Args:
        episodes: (n,) episode of each sample.
        folds: Greatest number of folds; there are at most as many as episodes.

    Raises:
        ValueError: There are fewer than two episodes.
    """
    names, inverse, counts = np.unique(episodes, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError("a split by episode needs at least two episodes")
    sizes = np.zeros(min(folds, len(names)), np.int64)
    place = np.zeros(len(names), np.int64)
    for index in np.argsort(-counts, kind="stable"):
        place[index] = int(sizes.argmin())
        sizes[place[index]] += counts[index]
    return place[inverse]


def fit_ridge(x: Floats, y: Floats, penalty: float) -> Fit:
    """Closed form; see the module docstring."""
    return _fits(x, y, [penalty])[0]


def choose_penalty(
    x: Floats,
    y: Floats,
    episodes: NDArray[np.integer[Any]],
    penalties: Sequence[float] = PENALTIES,
) -> float:
    """The λ with the least error on held-out episodes; the largest of equals."""
    fold = episode_folds(episodes)
    errors = np.zeros(len(penalties))
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        for index, fit in enumerate(_fits(x[inside], y[inside], penalties)):
            errors[index] += ((y[outside] - fit.predict(x[outside])) ** 2).sum()
    best = [
        penalty for penalty, error in zip(penalties, errors, strict=True) if error <= errors.min()
    ]
    return max(best)


def regress(
    x: Floats,
    y: Floats,
    episodes: NDArray[np.integer[Any]],
    penalties: Sequence[float] = PENALTIES,
) -> Regression:
    """Predicts every sample from a fit to other episodes, its λ chosen among those as well.

    Args:
        x: (n, P).
        y: (n, Q).
        episodes: (n,) episode of each sample, at least three different ones.
        penalties: λ to choose from.

    Raises:
        ValueError: There are fewer than three episodes.
    """
    if len(np.unique(episodes)) < 3:
        raise ValueError("choosing a penalty and testing it by episode needs three episodes")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    fold = episode_folds(episodes)
    predicted, mean, chosen = np.empty_like(y), np.empty_like(y), []
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        penalty = choose_penalty(x[inside], y[inside], episodes[inside], penalties)
        fit = fit_ridge(x[inside], y[inside], penalty)
        predicted[outside], mean[outside] = fit.predict(x[outside]), fit.y_mean
        chosen.append(penalty)
    return Regression(y, predicted, mean, tuple(chosen))


def _fits(x: Floats, y: Floats, penalties: Sequence[float]) -> list[Fit]:
    """One fit per penalty, by one eigendecomposition."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    x_mean, x_scale, y_mean = x.mean(0), x.std(0), y.mean(0)
    x_scale = np.where(x_scale < _CONSTANT, 1.0, x_scale)
    standard = (x - x_mean) / x_scale
    values, vectors = np.linalg.eigh(standard.T @ standard / len(x))
    projected = vectors.T @ (standard.T @ (y - y_mean) / len(x))
    values = np.maximum(values, 0)[:, None]
    return [
        Fit(vectors @ (projected / (values + penalty)), x_mean, x_scale, y_mean)
        for penalty in penalties
    ]
