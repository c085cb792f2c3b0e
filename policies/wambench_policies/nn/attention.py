"""Multi-head attention and pre-LN transformer blocks.

Tensors are (B, N, D): batch, tokens, width. Masks are boolean, True where a query may look at a
key, and broadcast to (B, heads, queries, keys).

Non-obvious behaviours
    - A query that may look at nothing has no defined result (NaN). Callers whose padding can make a
      row empty must let that row look at something and ignore what comes out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
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


ROTARY_BASE = 100.0
"""Slowest rotary frequency is about 1 / this: for sequences of tens of steps (ours)."""


def rotated(x: Tensor, position: Tensor) -> Tensor:
    """Rotary position embedding (RoPE): products of rotated vectors depend on differences alone.

    Args:
        x: (B, heads, N, E) queries or keys, E even.
        position: (N,) positions.
    """
    half = x.shape[-1] // 2
    exponent = torch.arange(half, device=x.device, dtype=torch.float32) / half
    angle = position.to(x.device).float()[:, None] * ROTARY_BASE**-exponent
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def attend(query: Tensor, context: KeysValues, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention, on a CPU always computed in float32 or more.

    Torch's attention in bfloat16 takes ten times as long on a CPU backwards as that in float32,
    so that mixed precision made trainings slower where it makes matrix products faster.

    Args:
        query: (B, heads, N, E).
        context: What is attended to.
        mask: See the module docstring.

    Returns:
        (B, heads, N, E), in the precision of the query.
    """
    keys, values = context
    if query.device.type != "cpu" or query.dtype is not torch.bfloat16:
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    with torch.autocast("cpu", enabled=False):
        found = F.scaled_dot_product_attention(
            query.float(), keys.float(), values.float(), attn_mask=mask
        )
    return found.to(query.dtype)


class Attention(nn.Module):
    """Scaled dot-product attention, by default with biases on all four projections.

    Args:
        dim: Width of queries and of the result.
        heads: Number of heads; must divide `inner_dim`.
        context_dim: Width of what is attended to; None where it is `dim`.
        inner_dim: Width of all heads together; None where it is `dim`.
        qkv_bias: Whether queries, keys and values have biases.
        out_bias: Whether the result has.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        context_dim: int | None = None,
        inner_dim: int | None = None,
        qkv_bias: bool = True,
        out_bias: bool = True,
    ) -> None:
        super().__init__()
        inner = inner_dim or dim
        if inner % heads:
            raise UsageError(f"A width of {inner} cannot be split into {heads} heads.")
        self.heads = heads
        self.query = nn.Linear(dim, inner, bias=qkv_bias)
        self.key_value = nn.Linear(context_dim or dim, 2 * inner, bias=qkv_bias)
        self.out = nn.Linear(inner, dim, bias=out_bias)

    def project(self, context: Tensor, position: Tensor | None = None) -> KeysValues:
        """Keys and values of a context (B, N, context_dim), keys rotated to positions (N,)."""
        keys, values = self.key_value(context).chunk(2, dim=-1)
        keys, values = self._split(keys), self._split(values)
        return KeysValues(keys if position is None else rotated(keys, position), values)

    def forward(
        self,
        x: Tensor,
        context: Tensor | KeysValues | None = None,
        mask: Tensor | None = None,
        position: Tensor | None = None,
    ) -> Tensor:
        """Attends from `x` (B, N, dim) to a context, or to itself.

        Args:
            x: Queries.
            context: (B, M, context_dim), or `project` of it; None for `x` itself.
            mask: See the module docstring.
            position: (N,) of the queries, for rotary embedding; of the keys as well unless the
                context is projected already.

        Returns:
            (B, N, dim).
        """
        if not isinstance(context, KeysValues):
            context = self.project(x if context is None else context, position)
        if context.keys.shape[2] == 1 and mask is None and not torch.is_grad_enabled():
            # A single key has all the weight, whatever asks. Not in training, where parameters
            # without a gradient would be left out of weight decay, and make processes wait.
            alone = self.out(context.values.transpose(1, 2).flatten(2))
            return alone.expand(max(len(x), len(alone)), x.shape[1], -1)
        query = self._split(self.query(x))
        if position is not None:
            query = rotated(query, position)
        attended = attend(query, context, mask)
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class MLP(nn.Sequential):
    """Two linear layers with a GELU between them.

    Args:
        dim: Width of input and output.
        hidden: Width between.
        approximate: `none` for the exact GELU, `tanh` for its approximation.
        bias: Whether the layers have biases.
    """

    def __init__(
        self, dim: int, hidden: int, *, approximate: str = "none", bias: bool = True
    ) -> None:
        super().__init__(
            nn.Linear(dim, hidden, bias=bias),
            nn.GELU(approximate),
            nn.Linear(hidden, dim, bias=bias),
        )


class GatedMLP(nn.Module):
    """GEGLU: GELU of one half of the first layer gates the other (Shazeer 2020).

    Args:
        dim: Width of input and output.
        hidden: Width between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(dim, 2 * hidden)
        self.second = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same."""
        value, gate = self.first(x).chunk(2, dim=-1)
        return self.second(value * F.gelu(gate))


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
