"""The residual network: how a frozen policy's next actions are to be changed.

    x_0 = MLP(B_a(a_base))        x_1, x_2 = what is seen, and where the robot is
    h = transformer(x_0, x_1, x_2)
    r = D(e + MLP(h_0)) - D(e),   e = B_a(a_base)

B_a is the aligned action adapter, frozen; D is its decoder, which is trained on from there. The
last layer of the MLP is zero at first, so that r is exactly 0: how the paper begins is not known,
and taking what D says before away from what it says after is ours.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wambench_policies.nn.attention import SelfAttentionBlock
from wambench_policies.nn.normalise import ActionNormaliser
from wambench_policies.world2act.align.adapters import ADAPTERS, ActionAdapter
from wambench_policies.world2act.align.model import Alignment
from wambench_policies.world2act.posttrain.config import ResidualConfig

KERNELS = (8, 4, 3)
STRIDES = (4, 2, 2)
"""Of the convolutions; see `ResidualConfig.channels`."""
_STILL = 1e-6
"""Changes of normalised actions below which there are none."""


class Residual(nn.Module):
    """See the module docstring. Everything is in normalised actions.

    Args:
        config: Sizes.
        actions: How the robot's actions are normalised; says which may be changed.
        state_dim: Width S of proprioception.

    Attributes:
        adapter: B_a, frozen.
        decoder: D.
        spread: (A,) standard deviations of the demonstrations' actions; see `ResidualConfig.limit`.
    """

    def __init__(self, config: ResidualConfig, actions: ActionNormaliser, state_dim: int) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, len(actions.names)
        self.adapter: ActionAdapter = ADAPTERS[config.action_adapter](config.chunk, width, dim)
        self.decoder = deepcopy(self.adapter.decoder)
        self.read = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.see = _convolutions(config.channels, config.image_size, dim)
        self.feel = nn.Sequential(
            nn.Linear(state_dim, config.proprio_hidden),
            nn.ReLU(),
            nn.Linear(config.proprio_hidden, dim),
            nn.LayerNorm(dim),
        )
        self.blocks = nn.Sequential(
            *(SelfAttentionBlock(dim, config.heads, config.hidden) for _ in range(config.layers))
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)
        movable = torch.tensor([float(kind != "levels") for kind in actions.kinds])
        self.register_buffer("movable", movable, persistent=False)
        self.register_buffer("spread", torch.ones(width))
        self.adapter.requires_grad_(False)

    def begin_from(self, aligned: Alignment) -> None:
        """Takes over an aligned adapter, its decoder as the one to train, and what it knows of."""
        self.adapter.load_state_dict(aligned.action.state_dict())
        self.decoder.load_state_dict(aligned.action.decoder.state_dict())
        self.spread.copy_(aligned.spread)

    def forward(self, actions: Tensor, images: Tensor, states: Tensor) -> Tensor:
        """How chunks are to be changed.

        Args:
            actions: (B, M, A) the frozen policy's next actions, normalised.
            images: (B, H, W, 3) uint8.
            states: (B, S) standardised proprioception.

        Returns:
            (B, M, A), within the limit; 0 in dimensions that are not changed.
        """
        with torch.no_grad():
            code = self.adapter(actions).code
        seen = self.see(images.movedim(-1, 1).float() / 255.0 - 0.5)
        tokens = torch.stack([self.read(code), seen, self.feel(states)], dim=1)
        moved = code + self.head(self.norm(self.blocks(tokens)[:, 0]))
        change = self.decoder(moved) - self.decoder(code)
        # A dimension that never changes is left alone.
        limit = (self.config.limit * self.spread).clamp(min=_STILL)
        return limit * torch.tanh(change / limit) * self.movable

    def deviations(self, change: Tensor) -> Tensor:
        """(..., A) changes in units of `spread`; 0 in dimensions that are not changed."""
        moves = self.movable * (self.spread > _STILL)
        return moves * change / self.spread.clamp(min=_STILL)


def half_ranges(actions: ActionNormaliser) -> NDArray[np.float64]:
    """(A,) suite units that one unit of a normalised action is."""
    raw = np.asarray([kind == "raw" for kind in actions.kinds])
    return np.where(raw, 1.0, (np.asarray(actions.high) - np.asarray(actions.low)) / 2)


def _convolutions(channels: tuple[int, int, int], size: int, dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for after, kernel, stride in zip(channels, KERNELS, STRIDES, strict=True):
        layers += [nn.Conv2d(before, after, kernel, stride=stride), nn.ReLU()]
        before, size = after, (size - kernel) // stride + 1
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels[-1] * size * size, dim), nn.LayerNorm(dim)
    )
