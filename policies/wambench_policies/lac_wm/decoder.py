"""The image decoder: what imagined tokens look like, for people and for measuring roll-outs.

Tokens are embedded, interpolated to one per patch where patches are smaller than the encoder's,
and go through a ViT beside one more token that is its position alone; each paints its patch. The
published count of 153,845,952 parameters fixes widths, layers, the 1,025 positions and patches of
8 x 8 pixels (facts A.1, reading a).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.diagnostics.features import batched
from wambench_policies.lac_wm.config import DecoderConfig
from wambench_policies.lac_wm.runs import DecoderRun
from wambench_policies.lac_wm.train import METHOD
from wambench_policies.nn.attention import SelfAttentionBlock
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.encoders.base import FeatureEncoder, external_prefixes
from wambench_policies.nn.encoders.build import build_encoder
from wambench_policies.nn.groups import parameter_groups


class ImageDecoder(nn.Module):
    """See the module docstring.

    Args:
        config: Sizes.
        grid: Rows and columns of the encoder's tokens.
        token_dim: Their width.
    """

    def __init__(self, config: DecoderConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        self.grid = grid
        self.patch = config.patch
        cells = config.encoder.image_size // config.patch
        self.cells = (cells, cells)
        self.embed = nn.Linear(token_dim, config.dim)
        self.position = nn.Parameter(torch.randn(cells * cells + 1, config.dim) * 0.02)
        self.layers = nn.ModuleList(
            SelfAttentionBlock(config.dim, config.heads, config.hidden)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, 3 * config.patch**2)

    def forward(self, tokens: Tensor) -> Tensor:
        """(M, N, D) tokens to (M, H, W, 3) pictures, in [0, 1] where they are right."""
        planes = self.embed(tokens).transpose(1, 2).unflatten(2, self.grid)
        if self.cells != self.grid:
            planes = F.interpolate(planes, self.cells, mode="bilinear", align_corners=False)
        x = planes.flatten(2).transpose(1, 2)
        x = F.pad(x, (0, 0, 0, 1)) + self.position.to(x.dtype)
        for layer in self.layers:
            x = layer(x)
        painted = self.out(self.norm(x[:, :-1])).unflatten(1, self.cells)
        painted = painted.unflatten(-1, (self.patch, self.patch, 3)).permute(0, 1, 3, 2, 4, 5)
        return painted.flatten(3, 4).flatten(1, 2) + 0.5

    @torch.no_grad()
    def pictures(self, tokens: Tensor) -> NDArray[np.uint8]:
        """(..., N, D) tokens to (..., H, W, 3) pictures."""
        painted = batched(self, tokens.flatten(0, -3)).clamp(0, 1).mul(255).byte()
        return painted.unflatten(0, tokens.shape[:-2]).cpu().numpy()


class PaintedWorld(nn.Module):
    """The image decoder beside the encoder whose tokens it paints.

    Args:
        config: Sizes.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.encoder = build_encoder(config.encoder)
        self.decoder = ImageDecoder(config, self.encoder.grid, self.encoder.dim)

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)


class DecoderObjective(nn.Module):
    """Squared error of pixels (paper: MSE).

    Args:
        config: Sizes.

    Attributes:
        model: What is kept.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = PaintedWorld(config)

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)

    @property
    def encoder(self) -> FeatureEncoder:
        """The frozen encoder."""
        return self.model.encoder

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The error, and the peak signal-to-noise ratio in dB."""
        shown = batch["images"][:, 0]
        painted = self.model.decoder(self.encoder(shown)).float()
        error = F.mse_loss(painted, shown.float() / 255.0)
        return error, {"loss": error.detach(), "psnr": -10 * error.detach().log10()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One learning rate for the decoder; the encoder is frozen."""
        return parameter_groups([("decoder", [self.model], 1.0)], self.config.weight_decay)


def load_decoder(folder: str, encoder: FeatureEncoder) -> ImageDecoder:
    """The decoder of a checkpoint, in evaluation.

    Args:
        folder: The checkpoint.
        encoder: Whose tokens it is to paint.

    Raises:
        UsageError: It is of another stage, or paints another encoder's tokens.
    """
    found = Checkpoint.open(folder, method=METHOD, stage="decoder")
    painted = PaintedWorld(found.configuration(DecoderRun).model_part())
    found.load_into(painted)
    if painted.encoder.digest() != encoder.digest():
        raise UsageError(
            f"{folder} paints what another encoder sees.",
            "Train one by `wambench train lac_wm --stage decoder --world` with this checkpoint.",
        )
    return painted.decoder.eval().requires_grad_(False)
