"""Blocks of IDM and FDM: frames x (B, T, N, D) and action tokens z (B, T, D), one per frame.

A block has three parts. `see` is attention of each frame's tokens to one another and, at each
place, to earlier frames; `recall` is that of action tokens to earlier ones; `read` lets one of the
two streams read the other of the same time: in the FDM frames read actions, in the IDM a query
reads frames. `v2` and `v4` are the two layouts of 11,545,088 parameters that fit the paper's
counts and prose (facts A.1).

Non-obvious behaviours
    - Temporal attention is causal and looks back over `context` frames at most, and positions
      enter it as differences alone, so that roll-outs may be longer than training clips.
    - Within a roll-out, `Past` holds the keys and values of earlier frames, and a frame is given
      at a time; the result is that of giving all frames at once.
    - `temporal=False` skips temporal attention. Where its last layer is zero, as it is in an
      FDM at first, that changes nothing, so that it can be switched on during training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wambench_policies.lac_wm.config import TransformerConfig
from wambench_policies.nn.attention import MLP, Attention, GatedMLP, KeysValues


class TemporalAttention(nn.Module):
    """Residual causal attention over time, of each token to its own place in earlier frames.

    Args:
        config: Sizes.
        attention: Builds an attention.
    """

    def __init__(self, config: TransformerConfig, attention: Attention) -> None:
        super().__init__()
        self.context = config.context
        self.norm = nn.LayerNorm(config.dim)
        self.attention = attention

    def forward(
        self, x: Tensor, past: KeysValues | None = None, first: int = 0
    ) -> tuple[Tensor, KeysValues]:
        """Attends over time.

        Args:
            x: (B, T, N, D), frames `first` to `first + T - 1`.
            past: Keys and values (B N, heads, P, E) of the P frames before them.
            first: Number of the first frame.

        Returns:
            (B, T, N, D), and the past of the frame after them.
        """
        batch, times, places, _ = x.shape
        sequence = self.norm(x).transpose(1, 2).flatten(0, 1)
        position = torch.arange(first, first + times, device=x.device)
        now = self.attention.project(sequence, position)
        if past is not None:
            now = KeysValues(
                torch.cat([past.keys, now.keys], dim=2), torch.cat([past.values, now.values], dim=2)
            )
        behind = now.keys.shape[2] - times
        mask = None
        if times > 1:
            query = torch.arange(times, device=x.device)[:, None] + behind
            key = torch.arange(behind + times, device=x.device)
            mask = (key <= query) & (key > query - self.context)
        elif behind >= self.context:
            raise AssertionError("The past is longer than the context.")
        attended = self.attention(sequence, now, mask, position)
        attended = attended.unflatten(0, (batch, places)).transpose(1, 2)
        kept = self.context - 1
        return x + attended, KeysValues(now.keys[:, :, -kept:], now.values[:, :, -kept:])


class Past:
    """What the blocks of a roll-out remember of earlier frames and actions.

    Attributes:
        frames: Of each block's `see`.
        actions: Of each block's `recall`.
        length: Frames so far.
    """

    def __init__(self, blocks: int) -> None:
        self.frames: list[KeysValues | None] = [None] * blocks
        self.actions: list[KeysValues | None] = [None] * blocks
        self.length = 0


class Block(nn.Module):
    """Base of both layouts; see the module docstring.

    Args:
        config: Sizes.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.see_space_norm = nn.LayerNorm(config.dim)
        self.see_space = self._attention()
        self.see_time = TemporalAttention(config, self._attention())
        self.recall_time = TemporalAttention(config, self._attention())
        self.read_norm = nn.LayerNorm(config.dim)
        self.read_attention = self._attention()

    def _attention(self) -> Attention:
        raise NotImplementedError

    def see(
        self, x: Tensor, past: KeysValues | None = None, first: int = 0, temporal: bool = True
    ) -> tuple[Tensor, KeysValues | None]:
        """(B, T, N, D) frames, and their past; see `TemporalAttention`."""
        flat = self.see_space_norm(x).flatten(0, 1)
        x = x + self.see_space(flat).unflatten(0, x.shape[:2])
        return self.see_time(x, past, first) if temporal else (x, None)

    def recall(
        self, z: Tensor, past: KeysValues | None = None, first: int = 0, temporal: bool = True
    ) -> tuple[Tensor, KeysValues | None]:
        """(B, T, D) action tokens, and their past."""
        if not temporal:
            return z, None
        out, past = self.recall_time(z.unsqueeze(2), past, first)
        return out.squeeze(2), past

    def read(self, reader: Tensor, source: Tensor) -> Tensor:
        """(B, T, N, D) tokens after reading (B, T, M, D) tokens of the same time."""
        out = self.read_attention(
            self.read_norm(reader).flatten(0, 1), self._read(source).flatten(0, 1)
        )
        return reader + out.unflatten(0, reader.shape[:2])

    def _read(self, source: Tensor) -> Tensor:
        return source

    def close_time(self) -> None:
        """Temporal attention adds nothing until it is trained."""
        for part in (self.see_time, self.recall_time):
            out = part.attention.out
            nn.init.zeros_(out.weight)
            if out.bias is not None:
                nn.init.zeros_(out.bias)


class BlockV2(Block):
    """[x: space, time, MLP] [z: tokens, time, MLP] [read, MLP], every sublayer with its norm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.recall_tokens_norm = nn.LayerNorm(config.dim)
        self.recall_tokens = self._attention()
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(3))
        self.mlps = nn.ModuleList(MLP(config.dim, config.hidden, bias=False) for _ in range(3))

    def _attention(self) -> Attention:
        return Attention(self.config.dim, self.config.heads, qkv_bias=False)

    def see(self, x: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, KeysValues | None]:
        """See `Block.see`."""
        x, past = super().see(x, *args, **kwargs)
        return self._mlp(0, x), past

    def recall(self, z: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, KeysValues | None]:
        """See `Block.recall`. There is one action token per frame, which attends to itself."""
        flat = self.recall_tokens_norm(z).flatten(0, 1).unsqueeze(1)
        z = z + self.recall_tokens(flat).squeeze(1).unflatten(0, z.shape[:2])
        z, past = super().recall(z, *args, **kwargs)
        return self._mlp(1, z), past

    def read(self, reader: Tensor, source: Tensor) -> Tensor:
        """See `Block.read`."""
        return self._mlp(2, super().read(reader, source))

    def _mlp(self, index: int, x: Tensor) -> Tensor:
        return x + self.mlps[index](self.norms[index](x))


class BlockV4(Block):
    """[x: space, time] [z: time] [read with a norm of what is read, one gated MLP]; wide heads."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.source_norm = nn.LayerNorm(config.dim)
        self.norm = nn.LayerNorm(config.dim)
        self.mlp = GatedMLP(config.dim, config.hidden)

    def _attention(self) -> Attention:
        dim, heads = self.config.dim, self.config.heads
        return Attention(dim, heads, inner_dim=2 * dim, qkv_bias=False, out_bias=False)

    def _read(self, source: Tensor) -> Tensor:
        return self.source_norm(source)

    def read(self, reader: Tensor, source: Tensor) -> Tensor:
        """See `Block.read`."""
        reader = super().read(reader, source)
        return reader + self.mlp(self.norm(reader))


def build_blocks(config: TransformerConfig, count: int) -> nn.ModuleList:
    """Blocks of the configured layout."""
    kind = {"v2": BlockV2, "v4": BlockV4}[config.block]
    return nn.ModuleList(kind(config) for _ in range(count))
