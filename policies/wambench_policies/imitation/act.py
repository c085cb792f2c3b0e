"""`act`: behaviour cloning with action chunking, after ACT.

"Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware" (Zhao et al. 2023): a
transformer decoder with one query for each action of a chunk reads what is seen; a latent z, a
conditional VAE over chunks, takes up how demonstrations of the same situation differ; L1 loss.

    L = ‖a - π(o, l, z)‖₁ + β KL(q(z | a) ‖ N(0, I)),   z = 0 when acting

What differs from ACT, so that the comparison with LaWAM and `flow_bc` is fair or because ACT does
not have it:
    - What is seen comes from their frozen encoder and language model, in place of a trained ResNet
      and a transformer encoder; so ACT can be told what to do. The decoder's memory is all
      that their action expert attends to: hidden states of the language model and the tokens u of
      the primary camera, and z as one more token.
    - A query is the code of its action's moment in seconds through a linear layer, in place of a
      learned vector per index; at one control frequency the two can say the same, and this one can
      be trained on several.
    - Layers normalise before attention (DETR's, and ACT's, after it). All layers of the decoder
      count; in ACT's released code the result is read after the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wambench_policies.imitation.config import ACTConfig, DecoderConfig
from wambench_policies.nn.attention import MLP, Attention, SelfAttentionBlock, key_mask
from wambench_policies.nn.codes import physical_time
from wambench_policies.nn.embodiment import NO_ROBOT, EmbodimentLinear, padded_to
from wambench_policies.nn.flow import masked_l1
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.horizon import horizon_mask
from wambench_policies.nn.observer import Observer, ObserverObjective
from wambench_policies.nn.posterior import Posterior
from wambench_policies.nn.random import dropout


@dataclass(frozen=True)
class Memory:
    """What the decoder reads.

    Attributes:
        tokens: (B, M, dim).
        valid: (B, M).
    """

    tokens: Tensor
    valid: Tensor

    def followed_by(self, token: Tensor) -> Memory:
        """With one more token (B, dim) at the end."""
        return Memory(
            torch.cat([self.tokens, token.to(self.tokens.dtype).unsqueeze(1)], dim=1),
            F.pad(self.valid, (0, 1), value=True),
        )


class DecoderLayer(nn.Module):
    """Attention among the queries, to the memory, and an MLP; a norm before each.

    Args:
        sizes: Sizes.
    """

    def __init__(self, sizes: DecoderConfig) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.dim) for _ in range(3))
        self.own = Attention(sizes.dim, sizes.heads)
        self.cross = Attention(sizes.dim, sizes.heads)
        self.mlp = MLP(sizes.dim, sizes.hidden)
        self.dropout = sizes.dropout

    def forward(
        self, x: Tensor, valid: Tensor, memory: Memory, generator: torch.Generator | None
    ) -> Tensor:
        """One layer.

        Args:
            x: (B, K, dim) queries.
            valid: (B, K) which of them stand for an action.
            memory: What is read.
            generator: Source of dropout; None at inference.

        Returns:
            (B, K, dim).
        """
        attended = self.own(self.norms[0](x), mask=key_mask(valid))
        x = x + dropout(attended, self.dropout, generator)
        attended = self.cross(self.norms[1](x), memory.tokens, key_mask(memory.valid))
        x = x + dropout(attended, self.dropout, generator)
        return x + dropout(self.mlp(self.norms[2](x)), self.dropout, generator)


class ChunkPosterior(nn.Module):
    """q(z | a, s): a latent from a chunk of actions, and from proprioception where it is used.

    As in ACT it does not see the images. A learned token in front reads the others.

    Args:
        sizes: Sizes.
        state_dim: Width that proprioception is padded to; None for none.
    """

    def __init__(self, sizes: DecoderConfig, state_dim: int | None) -> None:
        super().__init__()
        self.sizes = sizes
        self.state_dim = state_dim
        self.query = nn.Parameter(torch.randn(1, 1, sizes.dim) * 0.02)
        self.actions = EmbodimentLinear(sizes.embodiments, sizes.action_dim, sizes.dim)
        self.state = (
            None if state_dim is None else EmbodimentLinear(sizes.embodiments, state_dim, sizes.dim)
        )
        self.layers = nn.ModuleList(
            SelfAttentionBlock(sizes.dim, sizes.heads, sizes.hidden)
            for _ in range(sizes.posterior_layers)
        )
        self.norm = nn.LayerNorm(sizes.dim)
        self.project = nn.Linear(sizes.dim, 2 * sizes.latent_dim)

    def forward(self, batch: Mapping[str, Any], mask: Tensor) -> Posterior:
        """The posterior of each sample.

        Args:
            batch: A training batch.
            mask: (B, K) which actions are there.
        """
        sizes, embodiment = self.sizes, batch["embodiment"]
        actions = batch["actions"].masked_fill(~mask.unsqueeze(-1), 0.0)
        padded = padded_to(actions, sizes.action_dim, "actions")
        x = self.actions(padded, embodiment)
        code = physical_time(x.shape[1], batch["control_hz"], sizes.dim, sizes.time_unit)
        before = [self.query.expand(len(x), -1, -1).to(x.dtype)]
        if self.state is not None:
            assert self.state_dim is not None
            state = padded_to(batch["state"], self.state_dim, "proprioception")
            before.append(self.state(state.unsqueeze(1), embodiment))
        x = torch.cat([*before, x + code.to(x.dtype)], dim=1)
        seen = key_mask(F.pad(mask, (len(before), 0), value=True))
        for layer in self.layers:
            x = layer(x, seen)
        mean, logvar = self.project(self.norm(x[:, 0])).chunk(2, dim=-1)
        return Posterior(mean, logvar)


class ACT(Observer):
    """The policy network.

    Args:
        config: Sizes and switches.

    Attributes:
        decoder: What turns queries and memory into actions.
        posterior: q(z | a, s), which only training needs; None without `latent`.
    """

    def __init__(self, config: ACTConfig) -> None:
        super().__init__(config.encoder, config.backbone, config.cameras)
        self.config = config
        state_dim = config.state_dim if config.proprio else None
        self.decoder = ACTDecoder(config, self.backbone.dim, self.encoder.dim, state_dim)
        self.posterior = ChunkPosterior(config.decoder, state_dim) if config.latent else None

    @torch.no_grad()
    def predict(self, batch: Mapping[str, Any], steps: int, width: int) -> Tensor:
        """Chunks of actions, with z = 0.

        Args:
            batch: As for `observe`, with `control_hz` and `embodiment`, and `state` where
                `proprio` is on.
            steps: Actions K of a chunk, at least those of the horizon.
            width: Width A of an action.

        Returns:
            (B, K, A) normalised actions, zero beyond each sample's horizon.
        """
        valid = self.horizon(batch, steps)
        actions = self(batch, None, valid, width)
        return actions.masked_fill(~valid.unsqueeze(-1), 0.0)

    def horizon(self, batch: Mapping[str, Any], steps: int) -> Tensor:
        """(B, K) which actions are within the horizon."""
        config = self.config
        return horizon_mask(batch["control_hz"], steps, config.tau, config.rounding)

    def forward(
        self,
        batch: Mapping[str, Any],
        z: Tensor | None,
        valid: Tensor,
        width: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(B, K, A) actions.

        Args:
            batch: As for `predict`.
            z: (B, Z); None for zero.
            valid: (B, K) which queries stand for an action.
            width: Width A of an action.
            generator: Source of dropout; None at inference.
        """
        seen = self.observe(batch)
        memory = self.decoder.memory(seen.language.hidden, seen.language.valid, seen.u)
        return self.decoder(batch, memory, z, valid, generator)[..., :width]


class ACTDecoder(nn.Module):
    """Queries, one for each action, read the memory.

    Args:
        config: Sizes and switches.
        language_dim: Width of the language model's hidden states.
        token_dim: Width of visual tokens.
        state_dim: Width that proprioception is padded to; None for none.
    """

    def __init__(
        self, config: ACTConfig, language_dim: int, token_dim: int, state_dim: int | None
    ) -> None:
        super().__init__()
        sizes = config.decoder
        self.sizes = sizes
        self.state_dim = state_dim
        self.language = nn.Linear(language_dim, sizes.dim)
        self.visual = nn.Linear(token_dim, sizes.dim)
        self.memory_norm = nn.LayerNorm(sizes.dim)
        self.latent = nn.Linear(sizes.latent_dim, sizes.dim) if config.latent else None
        self.state = (
            None if state_dim is None else EmbodimentLinear(sizes.embodiments, state_dim, sizes.dim)
        )
        self.query = nn.Linear(sizes.dim, sizes.dim)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.dim)
        self.out = EmbodimentLinear(sizes.embodiments, sizes.dim, sizes.action_dim)

    def memory(self, language: Tensor, valid: Tensor, u: Tensor) -> Memory:
        """What is read and seen, as one sequence.

        Args:
            language: (B, L, language_dim) hidden states of the language model.
            valid: (B, L).
            u: (B, N, token_dim) tokens of the primary image.
        """
        tokens = torch.cat([self.language(language), self.visual(u)], dim=1)
        return Memory(self.memory_norm(tokens), F.pad(valid, (0, u.shape[1]), value=True))

    def forward(
        self,
        batch: Mapping[str, Any],
        memory: Memory,
        z: Tensor | None,
        valid: Tensor,
        generator: torch.Generator | None,
    ) -> Tensor:
        """(B, K, action_dim) float32; see `ACT.forward`."""
        sizes, embodiment = self.sizes, batch["embodiment"]
        if self.latent is not None:
            if z is None:
                z = memory.tokens.new_zeros(len(memory.tokens), sizes.latent_dim)
            memory = memory.followed_by(self.latent(z))
        if self.state is not None:
            assert self.state_dim is not None
            state = padded_to(batch["state"], self.state_dim, "proprioception")
            memory = memory.followed_by(self.state(state.unsqueeze(1), embodiment).squeeze(1))
        code = physical_time(valid.shape[1], batch["control_hz"], sizes.dim, sizes.time_unit)
        x = self.query(code.to(memory.tokens.dtype))
        for layer in self.layers:
            x = layer(x, valid, memory, generator)
        return self.out(self.norm(x), embodiment).float()


class ACTObjective(ObserverObjective):
    """L1 and KL over training batches.

    Args:
        config: Sizes and switches.

    Attributes:
        model: The policy, which is what is kept.
    """

    def __init__(self, config: ACTConfig) -> None:
        super().__init__()
        self.config = config
        self.model: ACT = ACT(config)

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms, `action` (L1) and, with a latent, `kl`.

        In evaluation mode z is 0, as when the policy acts.

        Args:
            batch: A training batch; see `Observer.observe` for what may stand in for images.
            generator: Source of z and of dropout.
        """
        model, actions = self.model, batch["actions"]
        mask = batch["action_mask"] & (batch["embodiment"] != NO_ROBOT)[:, None]
        z, terms, total = None, {}, torch.zeros((), device=actions.device)
        if model.posterior is not None:
            posterior = model.posterior(batch, mask)
            terms["kl"] = posterior.kl().mean()
            total = total + self.config.beta * terms["kl"]
            z = posterior.sample(generator) if self.training else None
        predicted = model(
            batch,
            z,
            model.horizon(batch, actions.shape[1]),
            actions.shape[2],
            generator if self.training else None,
        )
        terms["action"] = masked_l1(predicted, actions, mask)
        total = total + terms["action"]
        return total, {"loss": total.detach(), **{k: v.detach() for k, v in terms.items()}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Decoder with the latent's encoder, and backbone. Matrices apart from the rest."""
        config, model = self.config, self.model
        heads = [model.decoder] if model.posterior is None else [model.decoder, model.posterior]
        return parameter_groups(
            [
                ("decoder", heads, 1.0),
                ("backbone", [model.backbone], config.lr_scale_backbone),
            ],
            config.weight_decay,
        )
