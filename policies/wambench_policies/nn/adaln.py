"""Layer norms whose scale, shift and gate come from a condition (DiT, Peebles and Xie 2023).

Conditions are (B, 1, D) or (B, N, D): broadcast over tokens where there is one per sample.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from wambench_policies.nn.attention import MLP, Attention


def plain_norm(x: Tensor, eps: float = 1e-6) -> Tensor:
    """LayerNorm over the last axis without parameters."""
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalised `x`, scaled by 1 + scale and shifted."""
    return plain_norm(x) * (1 + scale) + shift


class AdaptiveLayerNorm(nn.Module):
    """LN(x) · (1 + scale) + shift with (scale, shift) = Linear(SiLU(condition)).

    Args:
        dim: Width of `x` and of the condition.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, 2 * dim)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, N, dim) and a condition to (B, N, dim)."""
        scale, shift = self.modulation(F.silu(condition)).chunk(2, dim=-1)
        return modulated(x, scale, shift)


class AdaLNZeroBlock(nn.Module):
    """Self-attention and MLP with scale, shift and gate each; the identity when new.

    All six are Linear(SiLU(condition)) with zero weights and biases at first (LaWM decoder,
    released code), so that both branches are closed.

    Args:
        dim: Width of tokens and of the condition.
        heads: Number of heads.
        hidden: Width between the layers of the MLP.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.attention = Attention(dim, heads)
        self.mlp = MLP(dim, hidden)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, N, dim) and a condition to (B, N, dim)."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(
            F.silu(condition)
        ).chunk(6, dim=-1)
        x = x + gate_a * self.attention(modulated(x, scale_a, shift_a))
        return x + gate_m * self.mlp(modulated(x, scale_m, shift_m))
