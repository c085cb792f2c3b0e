"""Aggregation of several tokens into one by a learned query (Q-Former, one layer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wambench_policies.nn.attention import CrossAttentionBlock


class QueryAggregation(nn.Module):
    """A learned query reads a context of another width: LaWAM's Q-Former.

    One layer with pre-LN on the query and the context, feed-forward times 4, and a final LN
    (released code; 145,920 parameters from width 2048 to 32 with 8 heads).

    Args:
        dim: Width of the query and of the result.
        context_dim: Width of the tokens that are read.
        heads: Number of heads.
    """

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.block = CrossAttentionBlock(dim, heads, 4 * dim, context_dim=context_dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, context: Tensor) -> Tensor:
        """(B, N, context_dim) to (B, dim)."""
        query = self.query.expand(len(context), -1, -1)
        return self.norm(self.block(query, context)).squeeze(1)
