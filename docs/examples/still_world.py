"""The least that a world model for planning is: 20 lines, and it believes that nothing moves.

    wambench eval --policy planner --policy-arg imagination=docs/examples/still_world.py:StillWorld
        --policy-arg source=dataset:data/bfa --suite bfa_seen --tasks 0 --trials 1

All candidates score alike, so that what it executes is the mean of those that come first: the
baseline that says what imagining adds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wambench.protocol import SuiteSpec


class StillWorld:
    """Tokens are the mean colours of an 8 x 8 grid."""

    chunk = 5

    def __init__(self, spec: SuiteSpec, device: str = "auto") -> None:
        self.control_hz = spec.control_hz

    def encode(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) to (B, 64, 3)."""
        pictures = images.movedim(-1, 1).float() / 255
        grid = torch.nn.functional.adaptive_avg_pool2d(pictures, 8)
        return grid.flatten(2).movedim(1, 2)

    def rollout(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """(B, N, D) to (B, K, P // chunk, N, D)."""
        _, count, length, _ = actions.shape
        return tokens[:, None, None].expand(-1, count, length // self.chunk, -1, -1)
