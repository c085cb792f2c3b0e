"""Held-out action error per control frequency, in chunks aligned by seconds (appendix C.4).

A chunk at 20 Hz has four times as many actions as one at 5 Hz, each a quarter as large, so that
errors per action cannot be compared. Predictions and demonstrations are therefore added up over the
same cells of time, as long as one action at the lowest of the frequencies; relative actions are
summed, of a gripper command the last one counts. Cells beyond the end of a demonstration are left
out. Errors are squared and divided by each dimension's variance over these cells as the data has
them at that frequency (sums are clipped to the bounds of an action, so that slower data varies
less): 1 is that of always predicting the mean action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wambench.errors import DataError, UsageError
from wambench_policies.data.resample import accumulate
from wambench_policies.diagnostics.episodes import EpisodeSet, Samples
from wambench_policies.lawam.diagnostics.policy import policy_inputs, slices
from wambench_policies.lawam.diagnostics.subject import Subject
from wambench_policies.lawam.diagnostics.world import Row

_CONSTANT = 1e-6
"""A dimension with a smaller deviation never changes; it is left unscaled."""

Predict = Callable[[Samples, float], NDArray[np.floating[Any]]]
"""(M, K, A) actions in the suite's units for samples at a frequency; those beyond its steps count
for nothing."""


def cells(actions: NDArray[Any], stride: int, names: Sequence[str]) -> NDArray[np.float32]:
    """(T, A) actions to (T // stride, A) cells of `stride` actions each."""
    whole = len(actions) // stride * stride
    return accumulate(actions[:whole], stride, names, None)


def action_errors(
    predict: Predict,
    episodes: EpisodeSet,
    samples: Samples,
    frequencies: Sequence[float],
    steps: Callable[[float], int],
    clip: str,
) -> list[Row]:
    """Errors by frequency.

    Args:
        predict: The policy.
        episodes: Where the samples are from.
        samples: The same for all frequencies.
        frequencies: In Hz, each a multiple of the lowest, at most the recorded one.
        steps: Actions of a chunk at a frequency.
        clip: How the data is read at lower frequencies; see `wambench_policies.data.resample`.

    Returns:
        Rows: control_hz, windows, episodes, cells, cell_s, error, and `mean`, the error of always
        predicting the samples' own mean action of each cell.

    Raises:
        UsageError: The frequencies have no common cells.
    """
    lowest, recorded = min(frequencies), episodes.control_hz
    strides = {hz: round(hz / lowest) for hz in (*frequencies, recorded)}
    for hz, stride in strides.items():
        if abs(stride * lowest - hz) > 1e-6 * hz:
            raise UsageError(
                f"{hz:g} Hz is no multiple of {lowest:g} Hz, so that chunks have no common times.",
                "Choose frequencies that are, such as 5, 10 and 20.",
            )
    count = min(steps(hz) // strides[hz] for hz in frequencies)
    names = episodes.embodiment(0).action.names
    rows_of_cell = strides[recorded]
    places = list(zip(samples.episode.tolist(), samples.row.tolist(), strict=True))
    there = np.array(
        [
            min(count, (episodes.infos[episode].length - row) // rows_of_cell)
            for episode, row in places
        ]
    )
    mask = np.arange(count) < there[:, None]

    def truth(hz: float) -> NDArray[np.float64]:
        found = np.zeros((len(samples), count, len(names)))
        for index, (episode, row) in enumerate(places):
            rows = int(there[index]) * rows_of_cell
            if rows:
                read = episodes.actions_at(episode, row, rows, hz, clip)
                found[index, : there[index]] = cells(read, strides[hz], names)
        return found

    def error(predicted: NDArray[Any], true: NDArray[Any]) -> float:
        scale = true[mask].std(0)
        scale = np.where(scale < _CONSTANT, 1.0, scale)
        return float((((predicted - true) / scale)[mask] ** 2).mean())

    found: list[Row] = []
    for hz in sorted(frequencies):
        true = truth(hz)
        chunks = predict(samples, hz)[:, : count * strides[hz]]
        predicted = np.stack([cells(chunk, strides[hz], names) for chunk in chunks])
        weights = mask[..., None]
        mean = (true * weights).sum(0) / np.maximum(weights.sum(0), 1)
        found.append(
            {
                "control_hz": hz,
                "windows": len(samples),
                "episodes": len(np.unique(samples.episode)),
                "cells": count,
                "cell_s": 1 / lowest,
                "error": error(predicted, true),
                "mean": error(np.broadcast_to(mean, true.shape), true),
            }
        )
    return found


def policy_predictor(subject: Subject, episodes: EpisodeSet, seed: int) -> Predict:
    """Predictions of a policy; the noise of a sample is the same at all frequencies."""
    policy = subject.policy
    assert policy is not None

    def predict(samples: Samples, hz: float) -> NDArray[np.floating[Any]]:
        generator = torch.Generator().manual_seed(seed)
        width = len(episodes.embodiment(0).action.names)
        longest = subject.steps(subject.tau, max(hz, episodes.control_hz))
        noise = torch.randn((len(samples), longest, width), generator=generator)
        chunks, begin = [], 0
        for part in slices(samples):
            batch = policy_inputs(subject, episodes, part, hz)
            mine = noise[begin : begin + len(part)].to(subject.device)
            begin += len(part)
            normalised = policy.predict(batch, mine).float().cpu().numpy()
            chunks.append(
                np.stack(
                    [
                        episodes.embodiment(int(episode)).action.restore(chunk)
                        for episode, chunk in zip(part.episode, normalised, strict=True)
                    ]
                )
            )
        return np.concatenate(chunks)

    return predict


def actions_of(
    subject: Subject,
    episodes: EpisodeSet,
    frequencies: Sequence[float],
    clip: str,
    windows: int,
    seed: int,
) -> list[Row]:
    """`action_errors` of a policy on samples of its own."""
    lowest = min(frequencies)
    span = max(1, round(episodes.control_hz / lowest)) - 1  # so that each has a whole cell
    samples = episodes.sample(span, windows, seed)
    if not len(samples):
        raise DataError(
            f"No demonstration is as long as one action at {lowest:g} Hz.", "Give longer ones."
        )
    return action_errors(
        policy_predictor(subject, episodes, seed),
        episodes,
        samples,
        frequencies,
        lambda hz: subject.steps(subject.tau, hz),
        clip,
    )
