"""Multi-head attention and pre-LN transformer blocks.

Tensors are (B, N, D): batch, tokens, width. Masks are boolean, True where a query may look at a
key, and broadcast to (B, heads, queries, keys).

Non-obvious behaviours
    - A query that may look at nothing has no defined result (NaN). Callers whose padding can make a
      row empty must let that row look at something and ignore what comes out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from wambench.errors import UsageError


class KeysValues(NamedTuple):
    """A projected context, so that several queries of it share one projection.

    Attributes:
        keys: (B, heads, N, D / heads).
        values: (B, heads, N, D / heads).
    """

    keys: Tensor
    values: Tensor


def key_mask(valid: Tensor) -> Tensor:
    """Mask (B, 1, 1, N) that lets every query look at the valid ones of N keys, from (B, N)."""
    return valid[:, None, None, :]


class Attention(nn.Module):
    """Scaled dot-product attention with biases on all four projections.

    Args:
        dim: Width of queries and of the result.
        heads: Number of heads; must divide `dim`.
        context_dim: Width of what is attended to; None where it is `dim`.
    """

    def __init__(self, dim: int, heads: int, *, context_dim: int | None = None) -> None:
        super().__init__()
        if dim % heads:
            raise UsageError(f"A width of {dim} cannot be split into {heads} heads.")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(context_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def project(self, context: Tensor) -> KeysValues:
        """Keys and values of a context (B, N, context_dim)."""
        keys, values = self.key_value(context).chunk(2, dim=-1)
        return KeysValues(self._split(keys), self._split(values))

    def forward(
        self, x: Tensor, context: Tensor | KeysValues | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attends from `x` (B, N, dim) to a context, or to itself.

        Args:
            x: Queries.
            context: (B, M, context_dim), or `project` of it; None for `x` itself.
            mask: See the module docstring.

        Returns:
            (B, N, dim).
        """
        if not isinstance(context, KeysValues):
            context = self.project(x if context is None else context)
        attended = F.scaled_dot_product_attention(
            self._split(self.query(x)), context.keys, context.values, attn_mask=mask
        )
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MLP(nn.Sequential):
    """Two linear layers with a GELU between them.

    Args:
        dim: Width of input and output.
        hidden: Width between.
        approximate: `none` for the exact GELU, `tanh` for its approximation.
    """

    def __init__(self, dim: int, hidden: int, *, approximate: str = "none") -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(approximate), nn.Linear(hidden, dim))


class SelfAttentionBlock(nn.Module):
    """x + attention(LN(x)), then x + MLP(LN(x)).

    Args:
        dim: Width.
        heads: Number of heads.
        hidden: Width between the layers of the MLP.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = MLP(dim, hidden)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, dim) to (B, N, dim)."""
        x = x + self.attention(self.norm_attention(x), mask=mask)
        return x + self.mlp(self.norm_mlp(x))


class CrossAttentionBlock(nn.Module):
    """x + attention(LN(x), LN(context)), then x + MLP(LN(x)).

    Args:
        dim: Width of queries.
        heads: Number of heads.
        hidden: Width between the layers of the MLP.
        context_dim: Width of the context; None where it is `dim`.
    """

    def __init__(self, dim: int, heads: int, hidden: int, *, context_dim: int | None = None):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.norm_context = nn.LayerNorm(context_dim or dim)
        self.attention = Attention(dim, heads, context_dim=context_dim)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = MLP(dim, hidden)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, dim) and (B, M, context_dim) to (B, N, dim)."""
        x = x + self.attention(self.norm_attention(x), self.norm_context(context), mask)
        return x + self.mlp(self.norm_mlp(x))
