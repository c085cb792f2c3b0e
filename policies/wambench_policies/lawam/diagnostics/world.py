"""What LaWM predicts: features, with another latent, and over several steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wambench.errors import DataError
from wambench_policies.diagnostics.episodes import EpisodeSet, Samples
from wambench_policies.diagnostics.features import Standardiser, other_samples
from wambench_policies.lawam.diagnostics.subject import Subject

HORIZONS = (0.25, 0.5, 1.0, 1.5, 2.0)
"""Horizons, in units of the τ that the model was trained at."""

ROLLOUT_STEPS = 5
"""Most steps of an open-loop rollout."""

_MORE = "Errors are measured by episode: give at least two that are, or use --episodes all."

Row = dict[str, Any]


@dataclass(frozen=True)
class Pairs:
    """Frames and those some rows later, as the model sees them.

    Attributes:
        samples: Where they are from.
        rows: Rows between the two.
        u: (M, N, D).
        u_T: (M, N, D).
        standard: Fitted to the later frames of other episodes.
    """

    samples: Samples
    rows: int
    u: Tensor
    u_T: Tensor
    standard: Standardiser

    def error(self, predicted: Tensor) -> float:
        """Mean standardised error of (M, N, D) predictions of the later frames."""
        return float(self.standard.errors(predicted, self.u_T).double().mean())

    @cached_property
    def copy(self) -> float:
        """Error of predicting that nothing changes."""
        return self.error(self.u)

    @cached_property
    def mean(self) -> float:
        """Error of predicting the mean of other episodes' frames."""
        return self.error(self.standard.means())


def make_pairs(
    subject: Subject, episodes: EpisodeSet, rows: int, windows: int, seed: int
) -> Pairs | None:
    """Pairs of frames `rows` apart; None where fewer than two episodes are that long."""
    samples = episodes.sample(rows, windows, seed)
    if len(np.unique(samples.episode)) < 2:
        return None
    u = subject.encode(episodes.frames(samples))
    u_T = subject.encode(episodes.frames(samples, rows))
    return Pairs(samples, rows, u, u_T, Standardiser.fit(u_T, samples.episode))


def pairs_at_tau(subject: Subject, episodes: EpisodeSet, windows: int, seed: int) -> Pairs:
    """Pairs of frames τ apart.

    Raises:
        DataError: Fewer than two episodes are that long.
    """
    rows = subject.steps(subject.tau, episodes.control_hz)
    pairs = make_pairs(subject, episodes, rows, windows, seed)
    if pairs is None:
        raise DataError(
            f"Fewer than two demonstrations are longer than the horizon of {subject.tau:g} s.",
            _MORE,
        )
    return pairs


def prediction(
    subject: Subject, episodes: EpisodeSet, windows: int, seed: int
) -> tuple[list[Row], list[Row]]:
    """Errors by horizon, with the teacher's latent and with that of another sample.

    Returns:
        Rows of `prediction`: horizon_s, horizon_tau, windows, episodes, model, copy, mean. And of
        `shuffled`: the error with the sample's own z and with another one's, their difference, and
        the share of samples whose other z is from another episode.
    """
    hz = episodes.control_hz
    predicted: list[Row] = []
    shuffled: list[Row] = []
    done = set()
    for multiple in HORIZONS:
        rows = subject.steps(multiple * subject.tau, hz)
        pairs = make_pairs(subject, episodes, rows, windows, seed)
        if pairs is None or rows in done:
            continue
        done.add(rows)
        z = subject.latents(pairs.u, pairs.u_T)
        donors = other_samples(pairs.samples.episode)
        own = pairs.error(subject.predict(pairs.u, z))
        other = pairs.error(subject.predict(pairs.u, z[torch.from_numpy(donors)]))
        where = {
            "horizon_s": rows / hz,
            "horizon_tau": rows / hz / subject.tau,
            "windows": len(pairs.samples),
            "episodes": len(np.unique(pairs.samples.episode)),
        }
        predicted.append(where | {"model": own, "copy": pairs.copy, "mean": pairs.mean})
        crossed = pairs.samples.episode != pairs.samples.episode[donors]
        shuffled.append(
            where
            | {
                "own": own,
                "shuffled": other,
                "delta": other - own,
                "from_another_episode": float(crossed.mean()),
            }
        )
    if not predicted:
        raise DataError(
            f"Fewer than two demonstrations are longer than {HORIZONS[0] * subject.tau:g} s.",
            _MORE,
        )
    return predicted, shuffled


def rollout(subject: Subject, episodes: EpisodeSet, windows: int, seed: int) -> list[Row]:
    """Open-loop rollouts: LaWM applied to its own predictions, with the teacher's latents.

    Step k predicts k τ ahead from the step before and z of the true frames (k - 1) τ and k τ ahead.
    Beside it: the same from the true frame before (`one_step`), the first frame (`copy`), and the
    mean. All steps are over the same windows, in the same units: frames of all steps are
    standardised together.

    Returns:
        Rows: step, seconds, windows, episodes, model, one_step, copy, mean.

    Raises:
        DataError: Fewer than two episodes have a single step.
    """
    hz = episodes.control_hz
    rows = subject.steps(subject.tau, hz)
    lengths = sorted((length - 1) // rows for length in episodes.lengths)
    steps = min(ROLLOUT_STEPS, lengths[len(lengths) // 2])  # half of the episodes have these
    samples = episodes.sample(steps * rows, windows, seed)
    if steps < 1 or len(np.unique(samples.episode)) < 2:
        raise DataError(
            f"Too few of the demonstrations are longer than the horizon of {subject.tau:g} s for "
            "a rollout.",
            _MORE,
        )
    true = [subject.encode(episodes.frames(samples, k * rows)) for k in range(steps + 1)]
    targets = torch.cat(true[1:])
    standard = Standardiser.fit(targets, np.tile(samples.episode, steps))
    count = len(samples)
    found: list[Row] = []
    imagined = true[0]
    for k in range(1, steps + 1):
        z = subject.latents(true[k - 1], true[k])
        imagined = subject.predict(imagined, z)
        part = Standardiser(standard.mean, standard.scale, standard.fold[:count])

        def error(predicted: Tensor, k: int = k, part: Standardiser = part) -> float:
            return float(part.errors(predicted, true[k]).double().mean())

        found.append(
            {
                "step": k,
                "seconds": k * rows / hz,
                "windows": count,
                "episodes": len(np.unique(samples.episode)),
                "model": error(imagined),
                "one_step": error(subject.predict(true[k - 1], z)),
                "copy": error(true[0]),
                "mean": error(part.means()),
            }
        )
    return found
