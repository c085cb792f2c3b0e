"""Pretraining of the tiny encoder on frames of the embedded suites, with the renderer as teacher.

DINOv3's tokens tell what an object is, where its outline runs and how far it is. A small network
does not come to that by painting pictures back, so the tiny one is distilled from the renderer,
which knows. Three terms, all read from the normalised tokens that the world model will later see,
with noise on them:

- labels: a light decoder tells the class of every second pixel, and its distance
  (`wambench.labels`). Classes are weighted by the inverse root of their share, for what is to be
  grasped is small.
- pixels: the same decoder paints the picture, so that tokens also hold what classes do not tell.
- state: proprioception, from the tokens of all cameras.

Policies see none of the labels: the network is frozen and sees pictures alone. Only it is kept;
decoder and heads are for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from wambench import labels
from wambench_policies.data.config import DataConfig, SelectionConfig
from wambench_policies.nn.adaln import plain_norm
from wambench_policies.nn.config import Config, preset
from wambench_policies.nn.embodiment import NO_ROBOT
from wambench_policies.nn.encoders.config import TinyEncoderConfig
from wambench_policies.nn.encoders.tiny import TinyNetwork
from wambench_policies.nn.flow import masked_mse
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.random import normal

_COUNTED = 20_000
"""Label pictures, at most, from which the classes and their shares are counted."""

_CODES = 1 << 16


class TinyEncoderPretrainingConfig(Config):
    """Pretraining of the tiny encoder; all values are our own choice.

    Attributes:
        encoder: The network.
        cameras: Cameras by the suite's names; the data must hold label pictures of each.
        state_dim: Width S of proprioception.
        token_noise: Standard deviation of noise on the normalised tokens.
        depth_weight: Weight of the absolute error of the distance's byte, in [0, 1].
        pixel_weight: Weight of the squared error of pixels in [0, 1].
        state_weight: Weight of proprioception.
        weight_decay: Of matrices.
    """

    encoder: TinyEncoderConfig = TinyEncoderConfig()
    cameras: tuple[str, ...] = Field(("agentview", "robot0_eye_in_hand"), min_length=1)
    state_dim: int = Field(8, ge=1)
    token_noise: float = Field(0.1, ge=0)
    depth_weight: float = Field(2.0, ge=0)
    pixel_weight: float = Field(5.0, ge=0)
    state_weight: float = Field(0.1, ge=0)
    weight_decay: float = Field(1e-3, ge=0)

    @property
    def label_cameras(self) -> tuple[str, ...]:
        """Names of the cameras' label pictures."""
        return tuple(f"{camera}{labels.SUFFIX}" for camera in self.cameras)

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training windows look like, over a selection of demonstrations."""
        side = self.encoder.image_size
        return DataConfig(
            **dict(selection),
            cameras=self.cameras + self.label_cameras,
            image_size=(side, side),
        )

    @preset
    @classmethod
    def tiny(cls) -> TinyEncoderPretrainingConfig:
        """The sizes of LaWAM's tiny preset."""
        return cls()


def count_codes(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """(65536,) how often each class code occurs in some of the label pictures.

    Args:
        pictures: Arrays of (N, H, W, 3) label pictures.
    """
    step = max(1, sum(map(len, pictures)) // _COUNTED)
    counts = np.zeros(_CODES, np.int64)
    for array in pictures:
        for picture in array[::step]:
            codes, _ = labels.unpack_labels(picture[::2, ::2])
            counts += np.bincount(codes.ravel(), minlength=_CODES)
    return counts


class DenseDecoder(nn.Module):
    """Tokens to values at every second pixel; it sees 5 x 5 tokens.

    Args:
        dim: Width of a token.
        grid: Rows and columns of tokens.
        outputs: Values per pixel.
    """

    def __init__(self, dim: int, grid: tuple[int, int], outputs: int) -> None:
        super().__init__()
        self.grid = grid
        self.layers = nn.Sequential(
            nn.Conv2d(dim, 128, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(128, 4 * 64, 3, padding=1),
            nn.PixelShuffle(2),
            nn.GELU(),
            nn.Conv2d(64, outputs * 16, 1),
            nn.PixelShuffle(4),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(M, N, dim) to (M, outputs, 8 · rows, 8 · columns)."""
        return self.layers(tokens.transpose(1, 2).unflatten(2, self.grid))


class Readout(nn.Module):
    """A vector from one or several maps of tokens.

    Args:
        dim: Width of a token, times the number of maps.
        grid: Rows and columns of tokens.
        outputs: Width of the result.
    """

    def __init__(self, dim: int, grid: tuple[int, int], outputs: int) -> None:
        super().__init__()
        self.grid = grid
        cells = -(-grid[0] // 2) * -(-grid[1] // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(dim, 64, 1),
            nn.GELU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(64 * cells, 256),
            nn.GELU(),
            nn.Linear(256, outputs),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, dim) to (B, outputs)."""
        return self.layers(tokens.transpose(1, 2).unflatten(2, self.grid))


class TinyEncoderPretraining(nn.Module):
    """The objective; see the module docstring.

    Args:
        config: Sizes and weights.
        counts: (65536,) how often each class code occurs, see `count_codes`. A code that does not
            is left out of the loss.

    Attributes:
        network: What is being trained and kept.
    """

    index: Tensor
    weights: Tensor

    def __init__(self, config: TinyEncoderPretrainingConfig, counts: NDArray[np.int64]) -> None:
        super().__init__()
        self.config = config
        encoder = config.encoder
        side = encoder.image_size // 16
        grid = (side, side)
        codes = np.flatnonzero(counts)
        index = np.zeros(_CODES, np.int64)
        index[codes] = np.arange(1, len(codes) + 1)
        shares = counts[codes] / counts.sum()
        self.classes = 1 + len(codes)
        self.register_buffer("index", torch.from_numpy(index), persistent=False)
        self.register_buffer(
            "weights", torch.tensor([0.0, *shares**-0.5], dtype=torch.float32), persistent=False
        )
        self.network = TinyNetwork(encoder)
        self.decoder = DenseDecoder(encoder.dim, grid, self.classes + 1 + 3)
        self.proprioception = Readout(len(config.cameras) * encoder.dim, grid, config.state_dim)

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the terms, and the terms; `accuracy` is over classes alike."""
        config = self.config
        cameras = len(config.cameras)
        shown = batch["images"][:, :cameras].movedim(-1, 2).flatten(0, 1).float() / 255.0
        label = batch["images"][:, cameras:, ::2, ::2].flatten(0, 1).long()
        wanted = self.index[label[..., 0] << 8 | label[..., 1]]

        tokens = plain_norm(self.network(shown))
        tokens = tokens + config.token_noise * normal(tokens.shape, generator, tokens)
        told = self.decoder(tokens).float()
        scores, depth, painted = told.split([self.classes, 1, 3], dim=1)

        # Over the weights of the whole batch: a rare class would else be told by few of them.
        classes = F.cross_entropy(scores, wanted, weight=self.weights)
        distance = (depth[:, 0] - label[..., 2] / 255.0).abs().mean()
        pixels = F.mse_loss(painted + 0.5, F.avg_pool2d(shown, 2))
        maps = tokens.unflatten(0, (-1, cameras)).transpose(1, 2).flatten(2)
        state = masked_mse(
            self.proprioception(maps), batch["state"], batch["embodiment"] != NO_ROBOT
        )
        total = (
            classes
            + config.depth_weight * distance
            + config.pixel_weight * pixels
            + config.state_weight * state
        )
        weight = self.weights[wanted]
        right = (scores.argmax(1) == wanted) * weight
        return total, {
            "loss": total.detach(),
            "classes": classes.detach(),
            "accuracy": (right.sum() / weight.sum()).detach(),
            "distance": distance.detach(),
            "pixels": pixels.detach(),
            "state": state.detach(),
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One learning rate for everything."""
        return parameter_groups([("pretraining", [self], 1.0)], self.config.weight_decay)
