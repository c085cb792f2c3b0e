"""Inverse and forward dynamics of LAC-WM over tokens of a frozen visual encoder (§3.1).

    z_t = IDM(x_t, x_{t+1}),  x̂_{t+1} = FDM(x_t, z_t)

Tokens are (B, T, N, D): clips, frames, tokens, width. A latent action is (B, T, Z), one for each
two frames that follow each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wambench_policies.lac_wm.blocks import Past, build_blocks
from wambench_policies.lac_wm.config import DynamicsConfig
from wambench_policies.nn.codes import grid_2d


class InverseDynamics(nn.Module):
    """The latent action between two frames, read by a learned query.

    The query stands at both frames; what it has read at the second is the latent. A fixed code of
    the place is added to the tokens, and which frame is which is in the temporal attention.

    Args:
        config: Sizes.
        grid: Rows and columns of a frame's tokens.
        token_dim: Their width.
    """

    def __init__(self, config: DynamicsConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        dim = config.transformer.dim
        self.grid = grid
        self.norm_tokens = nn.LayerNorm(token_dim)
        self.embed = nn.Linear(token_dim, dim)
        self.norm_embedded = nn.LayerNorm(dim)
        self.query = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = build_blocks(config.transformer, config.idm_blocks)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, config.latent_dim)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T + 1, N, D) tokens to (B, T, Z) latent actions."""
        pairs = torch.stack([frames[:, :-1], frames[:, 1:]], dim=2).flatten(0, 1)
        x = self.norm_embedded(self.embed(self.norm_tokens(pairs)))
        x = x + grid_2d(*self.grid, x.shape[-1], x.device).to(x.dtype)
        query = self.query.to(x.dtype).expand(len(x), 2, -1)
        for block in self.blocks:
            x, _ = block.see(x)
            query, _ = block.recall(query)
            query = block.read(query.unsqueeze(2), x).squeeze(2)
        latent: Tensor = self.out(self.norm(query[:, 1]))
        return latent.unflatten(0, (len(frames), -1))


class ForwardDynamics(nn.Module):
    """The next frame's tokens from the present ones and an action's latent.

    Args:
        config: Sizes.
        grid: Rows and columns of a frame's tokens.
        token_dim: Their width.
    """

    def __init__(self, config: DynamicsConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        dim = config.transformer.dim
        self.grid = grid
        self.change = config.predict == "change"
        self.norm_tokens = nn.LayerNorm(token_dim)
        self.embed = nn.Linear(token_dim, dim)
        self.norm_latent = nn.LayerNorm(config.latent_dim)
        self.embed_latent = nn.Linear(config.latent_dim, dim)
        self.blocks = build_blocks(config.transformer, config.fdm_blocks)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, token_dim)
        self.norm_out = nn.LayerNorm(token_dim)
        for block in self.blocks:
            block.close_time()
        if self.change:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, z: Tensor, temporal: bool = True) -> Tensor:
        """What follows each frame of a clip.

        Args:
            x: (B, T, N, D) tokens.
            z: (B, T, Z) latent of the action taken at each.
            temporal: Whether there is temporal attention.

        Returns:
            (B, T, N, D) predicted tokens of the frame after each.
        """
        hidden, latent = self._embedded(x), self._embedded_latent(z)
        for block in self.blocks:
            hidden, _ = block.see(hidden, temporal=temporal)
            latent, _ = block.recall(latent, temporal=temporal)
            hidden = block.read(hidden, latent.unsqueeze(2))
        return self._predicted(x, hidden)

    def rollout(self, x: Tensor, z: Tensor, *, share: bool = True) -> Tensor:
        """Follows several sequences of actions from one frame, feeding predictions back.

        Args:
            x: (B, N, D) tokens of the present frame.
            z: (B, K, T, Z) latents of K sequences of T actions each.
            share: What depends on the present frame alone is computed once for its K sequences:
                its embedding and the first block's attention over it. From there on every
                sequence's frame has read its own action.

        Returns:
            (B, K, T, N, D) predicted tokens.
        """
        batch, candidates, times = z.shape[:3]
        z = z.flatten(0, 1)
        frame = x.unsqueeze(1)
        if not share:
            frame = _repeated(frame, candidates)
        past, predicted = Past(len(self.blocks)), []
        for time in range(times):
            frame = self._step(frame, z[:, time : time + 1], past)
            predicted.append(frame)
        return torch.cat(predicted, dim=1).unflatten(0, (batch, candidates))

    def _step(self, frame: Tensor, z: Tensor, past: Past) -> Tensor:
        """One frame further; (B, 1, N, D) and (B K, 1, Z) to (B K, 1, N, D)."""
        hidden, latent = self._embedded(frame), self._embedded_latent(z)
        each = len(latent) // len(hidden)
        for number, block in enumerate(self.blocks):
            hidden, seen = block.see(hidden, past.frames[number], past.length)
            if number == 0 and each > 1:
                hidden, frame = _repeated(hidden, each), _repeated(frame, each)
                places = hidden.shape[2]
                seen = type(seen)(
                    *(_repeated(one.unflatten(0, (-1, places)), each).flatten(0, 1) for one in seen)
                )
            latent, recalled = block.recall(latent, past.actions[number], past.length)
            hidden = block.read(hidden, latent.unsqueeze(2))
            past.frames[number], past.actions[number] = seen, recalled
        past.length += 1
        return self._predicted(frame, hidden)

    def _embedded(self, x: Tensor) -> Tensor:
        x = self.embed(self.norm_tokens(x))
        return x + grid_2d(*self.grid, x.shape[-1], x.device).to(x.dtype)

    def _embedded_latent(self, z: Tensor) -> Tensor:
        embedded: Tensor = self.embed_latent(self.norm_latent(z))
        return embedded

    def _predicted(self, x: Tensor, hidden: Tensor) -> Tensor:
        out = self.out(self.norm(hidden))
        predicted: Tensor = self.norm_out(x + out if self.change else out)
        return predicted


def _repeated(x: Tensor, count: int) -> Tensor:
    """(B, ...) to (B count, ...), each entry `count` times in a row."""
    return x.unsqueeze(1).expand(-1, count, *x.shape[1:]).flatten(0, 1)
