"""LaWAM's Alternate-DiT action expert: a flow over action chunks, given what is seen and read.

Layer i attends, by i mod 4, to: 0 the tokens of the language model, 1 the chunk itself, 2 the
visual tokens ([u; û_T], or u alone where nothing is imagined), 3 the chunk itself. Flow time scales
and shifts the norm before attention.

Tensors of a chunk are (B, R, K, D): R points on the flow's paths share the context of a sample.
Queries of one context do not see each other in cross-attention, so there R · K queries are read
at once and the context is projected once; in self-attention the R chunks are apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wambench_policies.nn.adaln import AdaptiveLayerNorm, plain_norm
from wambench_policies.nn.attention import MLP, Attention, KeysValues, key_mask
from wambench_policies.nn.codes import physical_time, sinusoidal
from wambench_policies.nn.embodiment import NO_ROBOT, EmbodimentMLP, padded_to
from wambench_policies.nn.expert.config import ExpertConfig
from wambench_policies.nn.flow import flow_sample, integrate, masked_mse, time_bucket
from wambench_policies.nn.random import dropout

TIME_CODE_DIM = 256
"""Width of the sinusoidal code of flow time before its MLP (release)."""


@dataclass(frozen=True)
class Chunk:
    """What is known of the actions that are to be found, beside the context.

    Attributes:
        control_hz: (B,) control frequencies in Hz.
        valid: (B, K) where there is an action; the others are not looked at.
        embodiment: (B,).
        state: (B, S) proprioception, or None.
    """

    control_hz: Tensor
    valid: Tensor
    embodiment: Tensor
    state: Tensor | None = None


@dataclass(frozen=True)
class Context:
    """Projected contexts of all layers, made once for all denoising steps.

    Attributes:
        layers: For each layer the keys and values of what it attends to; None for the chunk.
        language_mask: (B, 1, 1, L) valid tokens of the language model.
    """

    layers: tuple[KeysValues | None, ...]
    language_mask: Tensor


class DiTLayer(nn.Module):
    """Attention after a norm that flow time modulates, and an MLP after a plain norm.

    Args:
        dim: Width.
        heads: Heads.
        hidden: Width inside the MLP.
        context_dim: Width of the context; None for self-attention.
        dropout: After attention and MLP.
    """

    def __init__(
        self, dim: int, heads: int, hidden: int, context_dim: int | None, dropout: float
    ) -> None:
        super().__init__()
        self.crosses = context_dim is not None
        self.norm = AdaptiveLayerNorm(dim)
        self.attention = Attention(dim, heads, context_dim=context_dim)
        self.mlp = MLP(dim, hidden, approximate="tanh")
        self.dropout = dropout

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        code: Tensor | None,
        context: KeysValues | None,
        mask: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor:
        """One layer.

        Args:
            x: (B, R, K, D).
            time: (B, R, 1, D) embedded flow time.
            code: (B, 1, K, D) physical time added to the normalised states, or None.
            context: Of the B samples; None for self-attention.
            mask: (B, 1, 1, M) over the context's tokens, or (B · R, 1, 1, K) over the chunk's.
            generator: Source of dropout; None at inference.

        Returns:
            (B, R, K, D).
        """
        normed = self.norm(x, time)
        if code is not None:
            normed = normed + code.to(normed.dtype)
        rows = normed.flatten(1, 2) if self.crosses else normed.flatten(0, 1)
        attended = self.attention(rows, context, mask).reshape(x.shape)
        x = x + dropout(attended, self.dropout, generator)
        return x + dropout(self.mlp(plain_norm(x)), self.dropout, generator)


class ActionExpert(nn.Module):
    """See the module docstring.

    306,209,024 parameters at the paper's sizes; the release has 196,608 more, which are embeddings
    for classifier-free guidance that it does not use.

    Args:
        sizes: Sizes and switches.
        language_dim: Width of the language model's hidden states.
        token_dim: Width of visual tokens.
        state_dim: Width that proprioception is padded to, which is then one more token; None for
            none.
    """

    def __init__(
        self, sizes: ExpertConfig, language_dim: int, token_dim: int, state_dim: int | None
    ) -> None:
        super().__init__()
        dim, slots = sizes.dim, sizes.embodiments
        self.config = sizes
        self.state_dim = state_dim
        self.language = nn.Linear(language_dim, token_dim)
        self.language_norm = nn.LayerNorm(token_dim)
        self.action_in = EmbodimentMLP(slots, sizes.action_dim, dim, dim, F.silu)
        self.action_out = EmbodimentMLP(slots, dim, dim, sizes.action_dim, F.relu)
        self.state_in = (
            None if state_dim is None else EmbodimentMLP(slots, state_dim, dim, dim, F.silu)
        )
        self.time = nn.Sequential(nn.Linear(TIME_CODE_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.layers = nn.ModuleList(
            DiTLayer(
                dim, sizes.heads, sizes.hidden, token_dim if i % 2 == 0 else None, sizes.dropout
            )
            for i in range(sizes.layers)
        )
        self.norm = AdaptiveLayerNorm(dim)
        self.project = nn.Linear(dim, dim)

    def context(self, language: Tensor, valid: Tensor, visual: Tensor) -> Context:
        """Keys and values of what the layers attend to.

        Args:
            language: (B, L, language_dim) hidden states of the language model.
            valid: (B, L).
            visual: (B, M, token_dim) [u; û_T], or u alone.
        """
        read = self.language_norm(self.language(language))
        layers = tuple(
            None if i % 2 else layer.attention.project(visual if i % 4 == 2 else read)
            for i, layer in enumerate(self.layers)
        )
        return Context(layers, key_mask(valid))

    def loss(
        self, batch: Mapping[str, Any], context: Context, draws: int, generator: torch.Generator
    ) -> Tensor:
        """Flow-matching error over the actions that are there.

        Args:
            batch: A training batch.
            context: What its samples see and read.
            draws: Points on the flow's paths per sample.
            generator: Source of noise, flow time and dropout.
        """
        sample = flow_sample(batch["actions"], draws, generator)
        mask = batch["action_mask"] & (batch["embodiment"] != NO_ROBOT)[:, None]
        velocity = self(
            sample.points.masked_fill(~mask[:, None, :, None], 0.0),
            time_bucket(sample.time),
            context,
            self._chunk(batch, mask),
            generator if self.training else None,
        )
        return masked_mse(velocity, sample.velocity, mask[:, None, :, None])

    @torch.no_grad()
    def sample(
        self, batch: Mapping[str, Any], context: Context, noise: Tensor, valid: Tensor, steps: int
    ) -> Tensor:
        """Follows the flow from noise to actions.

        Args:
            batch: With `control_hz`, `embodiment`, and `state` where the expert looks at it.
            context: What its samples see and read.
            noise: (B, K, A) where to start; or (B, R, K, A), R starts that share a context.
            valid: (B, K) which actions there are.
            steps: Euler steps.

        Returns:
            Normalised actions of the shape of `noise`, zero where there are none.
        """
        if noise.dim() == 3:
            return self.sample(batch, context, noise.unsqueeze(1), valid, steps).squeeze(1)
        chunk = self._chunk(batch, valid)

        def velocity(points: Tensor, time: Tensor) -> Tensor:
            bucket = time_bucket(time).unsqueeze(1).expand(-1, points.shape[1])
            return self(points, bucket, context, chunk)

        actions = integrate(velocity, noise.float(), steps)
        return actions.masked_fill(~valid[:, None, :, None], 0.0)

    def forward(
        self,
        points: Tensor,
        bucket: Tensor,
        context: Context,
        chunk: Chunk,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Velocities at points on the flow's paths.

        Args:
            points: (B, R, K, A) noisy actions.
            bucket: (B, R) flow time as an integer.
            context: Of the B samples.
            chunk: The rest.
            generator: Source of dropout; None at inference.

        Returns:
            (B, R, K, A) float32. What stands where `chunk.valid` is False means nothing.
        """
        _, draws, steps, width = points.shape
        flat = padded_to(points, self.config.action_dim, "actions").flatten(1, 2)
        x = self.action_in(flat, chunk.embodiment).unflatten(1, (draws, steps))
        code = self._time_code(chunk.control_hz, steps)
        if self.config.time_code == "input" and code is not None:
            x, code = x + code.to(x.dtype), None
        valid = chunk.valid
        # A sample without any action must look at something; its result is not used.
        valid = valid | ~valid.any(dim=1, keepdim=True)
        if self.state_in is not None:
            assert self.state_dim is not None
            assert chunk.state is not None, "proprio is on and the chunk has no state"
            state = padded_to(chunk.state, self.state_dim, "proprioception").to(x.dtype)
            token = self.state_in(state.unsqueeze(1), chunk.embodiment)
            x = torch.cat([token.unsqueeze(1).expand(-1, draws, -1, -1), x], dim=2)
            valid = F.pad(valid, (1, 0), value=True)
            code = None if code is None else F.pad(code, (0, 0, 1, 0))
        time = self.time(sinusoidal(bucket, TIME_CODE_DIM).to(x.dtype)).unsqueeze(2)
        own_mask = key_mask(valid.repeat_interleave(draws, dim=0))
        for i, layer in enumerate(self.layers):
            mask = own_mask if i % 2 else (context.language_mask if i % 4 == 0 else None)
            x = layer(x, time, code, context.layers[i], mask, generator)
        x = self.project(self.norm(x, time))[:, :, -steps:]
        velocity = self.action_out(x.flatten(1, 2), chunk.embodiment).float()
        return velocity.unflatten(1, (draws, steps))[..., :width]

    def _chunk(self, batch: Mapping[str, Any], valid: Tensor) -> Chunk:
        state = None if self.state_in is None else batch["state"]
        return Chunk(batch["control_hz"], valid, batch["embodiment"], state)

    def _time_code(self, control_hz: Tensor, steps: int) -> Tensor | None:
        """(B, 1, K, D) code of the actions' moments, or None."""
        sizes = self.config
        if sizes.time_code == "none":
            return None
        if sizes.time_code == "index":
            index = torch.arange(steps, device=control_hz.device)
            return sinusoidal(index, sizes.dim)[None, None]
        return physical_time(steps, control_hz, sizes.dim, sizes.time_unit).unsqueeze(1)
