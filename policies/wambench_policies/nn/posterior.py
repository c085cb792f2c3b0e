"""Diagonal Gaussians that encoders predict over latents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wambench_policies.nn.random import normal


@dataclass(frozen=True)
class Posterior:
    """q(z | what an encoder sees), a diagonal Gaussian.

    Attributes:
        mean: (B, Z).
        logvar: (B, Z).
    """

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """(B, Z) a draw, differentiable in mean and variance."""
        noise = normal(self.mean.shape, generator, self.mean)
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """(B,) divergence from the standard normal distribution, summed over dimensions."""
        mean, logvar = self.mean.float(), self.logvar.float()
        return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(-1)
