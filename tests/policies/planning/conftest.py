"""A toy world in which planning can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from wambench.protocol import Episode, Observation, Subgoals, episode_rng

Look = Callable[..., Observation]


class Integrator:
    """A world model: tokens are the running sum of actions beside a constant.

    A token's layer norm keeps directions apart, so the distance grows with what is missing.
    """

    chunk = 5
    control_hz = 15.0

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) to (B, 2, 4): the first pixels, in [0, 1]."""
        flat = images.reshape(len(images), -1)[:, :8].float() / 255
        return flat.reshape(-1, 2, 4)

    def rollout(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """Adds every chunk's actions, 8 of them wide, to the tokens."""
        self.calls += 1
        batch, count, length, width = actions.shape
        steps = actions.reshape(batch, count, length // self.chunk, self.chunk, width).sum(3)
        return tokens[:, None, None] + steps.cumsum(2).unflatten(-1, (2, 4))


@pytest.fixture
def look() -> Look:
    """Makes observations whose picture and subgoals are given pixels."""

    def make(
        values: list[int], goals: list[list[int]], step: int = 0, seed: int = 3, every: int = 10
    ) -> Observation:
        episode = Episode("toy", "embedded", 0, "toy", seed, seed, -1, "go", 100)
        pictures = np.array(goals, np.uint8).reshape(len(goals), 1, 3, 3)
        steps = tuple(every * (k + 1) for k in range(len(goals)))
        states = np.zeros((len(goals), 2), np.float32)
        return Observation(
            episode,
            step,
            {"head": np.array(values, np.uint8).reshape(1, 3, 3)},
            np.zeros(2, np.float32),
            episode_rng(seed, step),
            subgoals=Subgoals(every, steps, {"head": pictures}, states, ""),
        )

    return make


@pytest.fixture
def integrator() -> Integrator:
    """The toy world model."""
    torch.manual_seed(0)
    return Integrator()
