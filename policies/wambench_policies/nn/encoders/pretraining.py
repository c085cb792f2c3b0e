"""Self-supervised pretraining of the tiny encoder on frames of the embedded suites.

Three terms, all read from the normalised tokens that the world model will later see:

- pixels: a light decoder paints the image back from tokens of which some are dropped and all are
  noised. What moves is small, so the error is weighted towards pixels that differ from the mean
  picture of the task and from the other frame.
- inverse dynamics: the actions between two frames, from both token maps.
- state: proprioception, from the tokens of all cameras.

The last two make positions of the gripper easy to read, to a fraction of a token's cell. Only the
network is kept afterwards; decoder, heads and mean pictures are for training.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from wambench_policies.data.config import DataConfig, SelectionConfig
from wambench_policies.nn.adaln import plain_norm
from wambench_policies.nn.config import Config, preset
from wambench_policies.nn.embodiment import NO_ROBOT
from wambench_policies.nn.encoders.config import TinyEncoderConfig
from wambench_policies.nn.encoders.tiny import TinyNetwork
from wambench_policies.nn.flow import masked_mse
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.random import normal, uniform

MEAN_SLOTS = 64
"""Mean pictures that are kept; instructions share one when their hashes collide."""


class TinyEncoderPretrainingConfig(Config):
    """Pretraining of the tiny encoder; all values are our own choice.

    Attributes:
        encoder: The network.
        cameras: Cameras by the suite's names; the first is the primary one.
        tau: Seconds between the two frames.
        chunk: Actions K between them that the inverse dynamics predicts.
        action_dim: Width A of an action.
        state_dim: Width S of proprioception.
        token_dropout: Share of tokens that are dropped before pixels are painted.
        token_noise: Standard deviation of noise on the normalised tokens.
        focus: Weight of a pixel that differs, beside 1 for one that does not.
        contrast: Difference, in [0, 1] pixel values, from which a pixel has its full weight.
        action_weight: Weight of the inverse dynamics.
        state_weight: Weight of proprioception.
        weight_decay: Of matrices.
    """

    encoder: TinyEncoderConfig = TinyEncoderConfig()
    cameras: tuple[str, ...] = Field(("agentview", "robot0_eye_in_hand"), min_length=1)
    tau: float = Field(0.8, gt=0)
    chunk: int = Field(16, ge=1)
    action_dim: int = Field(7, ge=1)
    state_dim: int = Field(8, ge=1)
    token_dropout: float = Field(0.15, ge=0, lt=1)
    token_noise: float = Field(0.1, ge=0)
    focus: float = Field(8.0, ge=0)
    contrast: float = Field(0.15, gt=0)
    action_weight: float = Field(0.05, ge=0)
    state_weight: float = Field(0.05, ge=0)
    weight_decay: float = Field(1e-4, ge=0)

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training windows look like, over a selection of demonstrations."""
        side = self.encoder.image_size
        return DataConfig(
            **dict(selection),
            cameras=self.cameras,
            image_size=(side, side),
            horizon_s=self.tau,
            chunk=self.chunk,
        )

    @preset
    @classmethod
    def tiny(cls) -> TinyEncoderPretrainingConfig:
        """The sizes of LaWAM's tiny preset."""
        return cls()


class PixelDecoder(nn.Module):
    """Tokens to pixels; sees 5 x 5 tokens, so that a dropped one can be guessed from the others.

    Args:
        dim: Width of a token.
        grid: Rows and columns of tokens.
    """

    def __init__(self, dim: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.layers = nn.Sequential(
            nn.Conv2d(dim, 128, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(128, 4 * 64, 3, padding=1),
            nn.PixelShuffle(2),
            nn.GELU(),
            nn.Conv2d(64, 3 * 64, 1),
            nn.PixelShuffle(8),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(M, N, dim) to (M, 3, 16 · rows, 16 · columns) around [0, 1]."""
        return 0.5 + self.layers(tokens.transpose(1, 2).unflatten(2, self.grid))


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

    Attributes:
        network: What is being trained and kept.
    """

    mean_pictures: Tensor
    mean_counts: Tensor

    def __init__(self, config: TinyEncoderPretrainingConfig) -> None:
        super().__init__()
        self.config = config
        encoder = config.encoder
        side = encoder.image_size // 16
        grid = (side, side)
        self.network = TinyNetwork(encoder)
        self.dropped = nn.Parameter(torch.zeros(encoder.dim))
        self.decoder = PixelDecoder(encoder.dim, grid)
        self.inverse = Readout(2 * encoder.dim, grid, config.chunk * config.action_dim)
        self.proprioception = Readout(len(config.cameras) * encoder.dim, grid, config.state_dim)
        half = encoder.image_size // 2
        self.register_buffer(
            "mean_pictures", torch.zeros(MEAN_SLOTS, len(config.cameras), 3, half, half)
        )
        self.register_buffer("mean_counts", torch.zeros(MEAN_SLOTS))

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the terms, and the terms."""
        config = self.config
        now = batch["images"].movedim(-1, 2).float() / 255.0
        later = batch["future_image"].movedim(-1, 1).float() / 255.0
        frames = torch.cat([now, later.unsqueeze(1)], dim=1)
        tokens = plain_norm(self.network(frames.flatten(0, 1)))
        maps = tokens.unflatten(0, frames.shape[:2])
        primary, last = maps[:, 0], maps[:, -1]

        painted = self.decoder(self._corrupted(tokens, generator)).unflatten(0, frames.shape[:2])
        weight = self._weight(now, later, batch["instruction"])
        pixels = (weight * (painted - frames).square()).mean()

        robot = batch["embodiment"] != NO_ROBOT
        actions = self.inverse(torch.cat([primary, last], dim=-1))
        inverse = masked_mse(
            actions.unflatten(1, (config.chunk, config.action_dim)),
            batch["actions"],
            batch["action_mask"] & robot[:, None],
        )
        all_cameras = maps[:, :-1].transpose(1, 2).flatten(2)
        state = masked_mse(self.proprioception(all_cameras), batch["state"], robot)

        total = pixels + config.action_weight * inverse + config.state_weight * state
        return total, {
            "loss": total.detach(),
            "pixels": pixels.detach(),
            "pixels_plain": (painted - frames).detach().square().mean(),
            "inverse_dynamics": inverse.detach(),
            "state": state.detach(),
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One learning rate for everything."""
        return parameter_groups([("pretraining", [self], 1.0)], self.config.weight_decay)

    def _corrupted(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        noised = tokens + self.config.token_noise * normal(tokens.shape, generator, tokens)
        drop = uniform(tokens.shape[:2], generator, tokens) < self.config.token_dropout
        return torch.where(drop.unsqueeze(-1), self.dropped.to(noised.dtype), noised)

    @torch.no_grad()
    def _weight(self, now: Tensor, later: Tensor, instructions: list[str]) -> Tensor:
        """(B, C + 1, 1, H, W) weights of pixels with mean 1 over each picture.

        Args:
            now: (B, C, 3, H, W).
            later: (B, 3, H, W) of camera 0.
            instructions: Which mean picture belongs to which sample.
        """
        config = self.config
        slots = torch.tensor(
            [zlib.crc32(text.encode()) % MEAN_SLOTS for text in instructions], device=now.device
        )
        usual = F.interpolate(
            self.mean_pictures[slots].flatten(0, 1), size=now.shape[-2:], mode="bilinear"
        ).unflatten(0, now.shape[:2])
        known = (self.mean_counts[slots] > 0)[:, None, None, None, None]
        unusual = torch.where(
            known,
            (torch.cat([now, later.unsqueeze(1)], 1) - torch.cat([usual, usual[:, :1]], 1)).abs(),
            0.0,
        )
        moved = (now[:, :1] - later.unsqueeze(1)).abs()
        still = torch.zeros_like(moved).expand(-1, now.shape[1] - 1, -1, -1, -1)
        differs = torch.maximum(unusual, torch.cat([moved, still, moved], 1))
        weight = 1 + config.focus * (differs.amax(2, keepdim=True) / config.contrast).clamp(max=1)
        if self.training:
            self._remember(now, slots)
        return weight / weight.mean(dim=(-1, -2), keepdim=True)

    def _remember(self, now: Tensor, slots: Tensor) -> None:
        """Adds the pictures of a batch to the means."""
        small = F.avg_pool2d(now.flatten(0, 1), 2).unflatten(0, now.shape[:2])
        counts = torch.zeros_like(self.mean_counts).index_add_(
            0, slots, torch.ones_like(slots, dtype=self.mean_counts.dtype)
        )
        sums = torch.zeros_like(self.mean_pictures).index_add_(0, slots, small)
        share = (1 / (self.mean_counts + counts).clamp(min=1))[:, None, None, None, None]
        n = counts[:, None, None, None, None]
        self.mean_pictures += share * (sums - n * self.mean_pictures)
        self.mean_counts += counts
