"""The two adapters: a latent of a video, and a chunk of actions, into one space of width D.

    VideoAdapter       two strided convolutions, means over the picture, a linear layer
    MLPActionAdapter   (M A) -> 128 -> 64 -> D, and back (paper)
    VAEActionAdapter   convolutions in time to a Gaussian over D, and back (release)

A latent of Cosmos shows four frames, and is looked at by itself. The released code has Conv3d here,
over one latent with zeros before and after it: only the middle of its kernels ever sees anything,
which is this Conv2d. A latent of the tiny tokenizer is a single frame, in which nothing is seen to
move: there the adapter is given the next one as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from wambench_policies.nn.posterior import Posterior

WIDTHS = (64, 128)
"""Channels of convolutions (paper and release)."""

GROUPS = (8, 16)
"""Groups of the norms after them (release)."""


@dataclass(frozen=True)
class Coded:
    """Chunks in the common space.

    Attributes:
        code: (..., D) what is compared.
        drawn: (..., D) what is decoded.
        kl: (...) divergence of the code's distribution; zeros where there is none.
    """

    code: Tensor
    drawn: Tensor
    kl: Tensor


class VideoAdapter(nn.Module):
    """Latents of videos into the common space.

    Args:
        channels: Channels C of a latent.
        dim: Width D.
        moments: See `AlignConfig`.
        grid: Likewise.

    Attributes:
        dim: As above.
        moments: As above.
    """

    def __init__(self, channels: int, dim: int, moments: int = 1, grid: int = 1) -> None:
        super().__init__()
        self.dim, self.moments = dim, moments
        first, second = WIDTHS
        self.layers = nn.Sequential(
            nn.Conv2d(moments * channels, first, 3, stride=2, padding=1),
            nn.GroupNorm(GROUPS[0], first),
            nn.GELU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GroupNorm(GROUPS[1], second),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Linear(grid**2 * second, dim),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, T, h, w) latents to (B, T - moments + 1, D)."""
        seen = latents.movedim(1, 2).unfold(1, self.moments, 1)  # (B, N, C, h, w, moments)
        codes: Tensor = self.layers(seen.movedim(-1, 2).flatten(0, 1).flatten(1, 2))
        return codes.unflatten(0, seen.shape[:2])


class ActionAdapter(nn.Module):
    """Base of the action adapters.

    Args:
        chunk: Actions M of a chunk.
        width: Width A of an action.

    Attributes:
        chunk: As above.
        decoder: (n, D) to (n, M, A).
    """

    decoder: nn.Module

    def __init__(self, chunk: int, width: int) -> None:
        super().__init__()
        self.chunk = chunk

    def forward(self, chunks: Tensor, generator: torch.Generator | None = None) -> Coded:
        """(..., M, A) normalised actions; the generator draws, None takes the mean."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """(..., D) to (..., M, A)."""
        actions: Tensor = self.decoder(codes.flatten(0, -2))
        return actions.unflatten(0, codes.shape[:-1])


class MLPActionAdapter(ActionAdapter):
    """The paper's; activations and the decoder's widths, which mirror the encoder's, are ours."""

    def __init__(self, chunk: int, width: int, dim: int) -> None:
        super().__init__(chunk, width)
        self.encoder = _mlp(chunk * width, 128, 64, dim)
        self.decoder = nn.Sequential(
            *_mlp(dim, 64, 128, chunk * width), nn.Unflatten(-1, (chunk, width))
        )

    def forward(self, chunks: Tensor, generator: torch.Generator | None = None) -> Coded:
        """See `ActionAdapter`; nothing is drawn."""
        code = self.encoder(chunks.flatten(-2))
        return Coded(code, code, code.new_zeros(code.shape[:-1]))


class VAEActionAdapter(ActionAdapter):
    """The release's; the mean is the code."""

    def __init__(self, chunk: int, width: int, dim: int) -> None:
        super().__init__(chunk, width)
        first, second = WIDTHS
        self.encoder = nn.Sequential(
            nn.Conv1d(width, first, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(first, second, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(second * (chunk // 2), 2 * dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(dim, second * (chunk // 2)),
            nn.Unflatten(-1, (second, chunk // 2)),
            nn.ConvTranspose1d(second, first, 3, stride=2, padding=1, output_padding=1),
            nn.GELU(),
            nn.ConvTranspose1d(first, width, 3, padding=1),
            Rearrange("n width chunk -> n chunk width"),
        )

    def forward(self, chunks: Tensor, generator: torch.Generator | None = None) -> Coded:
        """See `ActionAdapter`."""
        flat = chunks.flatten(0, -3).transpose(1, 2)
        found = self.encoder(flat).unflatten(0, chunks.shape[:-2])
        posterior = Posterior(*found.chunk(2, dim=-1))
        drawn = posterior.mean if generator is None else posterior.sample(generator)
        return Coded(posterior.mean, drawn, posterior.kl())


ADAPTERS = {"mlp": MLPActionAdapter, "vae": VAEActionAdapter}


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])
