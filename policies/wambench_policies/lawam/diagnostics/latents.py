"""What latent actions know of real ones: ridge regression from z to the chunk of actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wambench.errors import DataError
from wambench_policies.diagnostics.episodes import EpisodeSet
from wambench_policies.diagnostics.ridge import Regression, regress
from wambench_policies.lawam.diagnostics.subject import Subject
from wambench_policies.lawam.diagnostics.world import Pairs, Row

MIN_EPISODES = 3
"""One to test on, one to fit, one to choose the penalty on."""


def latent_to_action(subject: Subject, episodes: EpisodeSet, pairs: Pairs) -> list[Row]:
    """R2 of actions regressed on z, and on the change of proprioception over the same time.

    Args:
        subject: The model.
        episodes: Where the samples are from.
        pairs: Frames τ apart.

    Returns:
        Rows: input, action (a dimension's name, or `all`), r2, windows, episodes, penalty (the
        median over folds). R2 sums over the steps of the chunk.

    Raises:
        DataError: Fewer than three episodes are there.
    """
    samples = pairs.samples
    if len(np.unique(samples.episode)) < MIN_EPISODES:
        raise DataError(
            f"Regression by episode needs {MIN_EPISODES} demonstrations that are longer than "
            f"{subject.tau:g} s.",
            "Give more, use --episodes all, or leave it out by --only.",
        )
    names = episodes.embodiment(0).action.names
    chunks = episodes.chunks(samples, pairs.rows)
    inputs: dict[str, NDArray[Any]] = {
        "z": subject.latents(pairs.u, pairs.u_T).cpu().numpy(),
        "proprioception difference": episodes.states(samples, pairs.rows)
        - episodes.states(samples),
    }
    rows: list[Row] = []
    for name, x in inputs.items():
        regression = regress(x, chunks.reshape(len(chunks), -1), samples.episode)
        rows += rows_of(name, regression, names, pairs.rows)
    for row in rows:
        row |= {"windows": len(samples), "episodes": len(np.unique(samples.episode))}
    return rows


def rows_of(name: str, regression: Regression, actions: tuple[str, ...], steps: int) -> list[Row]:
    """One row for all of the chunk, and one per dimension of an action.

    Args:
        name: What was regressed on.
        regression: On chunks flattened from (steps, A).
        actions: Names of the A dimensions.
        steps: Length of a chunk.
    """
    penalty = float(np.median(regression.penalties))
    width = len(actions)
    scopes = [("all", list(range(steps * width)))] + [
        (action, [step * width + index for step in range(steps)])
        for index, action in enumerate(actions)
    ]
    return [
        {"input": name, "action": action, "r2": regression.r2(columns), "penalty": penalty}
        for action, columns in scopes
    ]
