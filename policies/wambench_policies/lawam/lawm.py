"""Stage 1 of LaWAM: latent actions and the latent world model.

    z ~ q_φ(z | u, u_T),  ũ_T = LaWM_ω(u, z)                            (Eq. 2)
    L = L_wm + λ_aux L_aux + β KL(q_φ ‖ N(0, I))                        (Eq. 4)

u and u_T are tokens of a frozen visual encoder at a frame and τ seconds later. `InverseDynamics`
is q_φ, `WorldModel` is LaWM_ω, `StateHead` is the auxiliary g(s, z).

Non-obvious behaviours
    - Encoder and decoder are given their tokens separately: in training they come from two
      independently augmented views of the same pair of frames, so that z cannot carry appearance.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.data.augment import Augmentation
from wambench_policies.lawam.config import LaWMConfig
from wambench_policies.nn.adaln import AdaLNZeroBlock
from wambench_policies.nn.attention import CrossAttentionBlock, SelfAttentionBlock
from wambench_policies.nn.codes import grid_2d, grid_3d
from wambench_policies.nn.embodiment import NO_ROBOT, EmbodimentMLP, padded_to
from wambench_policies.nn.encoders.base import FeatureEncoder, external_prefixes
from wambench_policies.nn.encoders.build import build_encoder
from wambench_policies.nn.flow import masked_mse
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.posterior import Posterior

LOGVAR_LIMIT = 10.0
"""The posterior's log-variance is clamped to ± this (released code)."""


class InverseDynamics(nn.Module):
    """q_φ: a latent action from the tokens of two frames (released encoder).

    Tokens of both frames and one learned query at the end go through pre-LN layers in which the
    query looks at everything and visual tokens look at visual tokens only. Before that, the query
    reads the visual tokens once by cross-attention.

    Args:
        config: Sizes.
        grid: Rows and columns of a frame's tokens.
        token_dim: Their width.
    """

    def __init__(self, config: LaWMConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        self.grid = grid
        self.embed = nn.Linear(token_dim, config.dim)
        self.query = nn.Parameter(torch.randn(1, 1, config.dim) * 0.02)
        self.refine = CrossAttentionBlock(config.dim, config.heads, config.dim)
        self.layers = nn.ModuleList(
            SelfAttentionBlock(config.dim, config.heads, config.hidden)
            for _ in range(config.enc_layers)
        )
        self.project = nn.Linear(config.dim, config.latent_dim)
        self.norm = nn.LayerNorm(config.latent_dim)
        self.mean = nn.Linear(config.latent_dim, config.latent_dim)
        self.logvar = nn.Linear(config.latent_dim, config.latent_dim)

    def mask(self, visual: int, device: torch.device) -> Tensor:
        """(1, 1, L, L) with the query last: only it looks at itself."""
        mask = torch.ones(visual + 1, visual + 1, dtype=torch.bool, device=device)
        mask[:-1, -1] = False
        return mask[None, None]

    def hidden(self, u: Tensor, u_T: Tensor) -> Tensor:
        """(B, 2 N + 1, dim) hidden states after the last layer; the query's is the last."""
        frames = torch.cat([u, u_T], dim=1)
        code = grid_3d(2, *self.grid, self.embed.out_features, frames.device)
        x = self.embed(frames)
        x = x + code.to(x.dtype)
        query = self.refine(self.query.expand(len(x), -1, -1).to(x.dtype), x)
        mask = self.mask(x.shape[1], x.device)
        x = torch.cat([x, query], dim=1)
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def forward(self, u: Tensor, u_T: Tensor) -> Posterior:
        """Tokens (B, N, D) of a frame and of the one τ seconds later."""
        latent = self.norm(self.project(self.hidden(u, u_T)[:, -1]))
        logvar = self.logvar(latent).clamp(-LOGVAR_LIMIT, LOGVAR_LIMIT)
        return Posterior(self.mean(latent), logvar)


class WorldModel(nn.Module):
    """LaWM_ω: the tokens τ seconds later from the present ones and a latent action.

    228,286,720 parameters at the paper's sizes with 12 layers.

    Args:
        config: Sizes, and how the latent enters (`cond`).
        grid: Rows and columns of the tokens.
        token_dim: Their width.
    """

    def __init__(self, config: LaWMConfig, grid: tuple[int, int], token_dim: int) -> None:
        super().__init__()
        self.grid = grid
        self.additive = config.cond == "additive"
        self.embed = nn.Linear(token_dim, config.dim)
        self.latent = nn.Linear(config.latent_dim, config.dim)
        block = SelfAttentionBlock if self.additive else AdaLNZeroBlock
        self.layers = nn.ModuleList(
            block(config.dim, config.heads, config.hidden) for _ in range(config.dec_layers)
        )
        self.project = nn.Linear(config.dim, token_dim)
        self.norm = nn.LayerNorm(token_dim)

    def forward(self, u: Tensor, z: Tensor) -> Tensor:
        """(B, N, D) tokens and (B, Z) latent to (B, N, D) predicted tokens."""
        x = self.embed(u)
        x = x + grid_2d(*self.grid, x.shape[-1], x.device).to(x.dtype)
        condition = self.latent(z).unsqueeze(1)
        if self.additive:
            x = x + condition
            for layer in self.layers:
                x = layer(x)
        else:
            for layer in self.layers:
                x = layer(x, condition)
        return self.norm(self.project(x))


class StateHead(nn.Module):
    """g(s, z): proprioception at the horizon, or its change, from the present one and z.

    Two layers per embodiment embed s; beside the projected z and through a tanh they go to two
    more layers per embodiment (released code; its order of tanh and output is not certain, and
    this one does not bound the result).

    Args:
        config: Sizes.
    """

    def __init__(self, config: LaWMConfig) -> None:
        super().__init__()
        width, slots = config.aux_hidden, config.embodiments
        self.state_dim = config.state_dim
        self.state = EmbodimentMLP(slots, config.state_dim, width, width)
        self.latent = nn.Linear(config.latent_dim, width)
        self.out = EmbodimentMLP(slots, 2 * width, width, config.state_dim)

    def forward(self, state: Tensor, z: Tensor, embodiment: Tensor) -> Tensor:
        """(B, S), (B, Z) and (B,) to (B, S)."""
        width = state.shape[-1]
        padded = padded_to(state, self.state_dim, "proprioception").unsqueeze(1)
        both = torch.cat([self.state(padded, embodiment), self.latent(z).unsqueeze(1)], dim=-1)
        return self.out(torch.tanh(both), embodiment).squeeze(1)[:, :width]


class LaWM(nn.Module):
    """Everything stage 1 makes: visual encoder, inverse dynamics, world model, state head.

    Args:
        config: Sizes and switches.

    Attributes:
        encoder: The frozen visual encoder ψ.
        idm: q_φ.
        world: LaWM_ω.
        state_head: g, or None where `aux` is off.
    """

    def __init__(self, config: LaWMConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        grid, dim = self.encoder.grid, self.encoder.dim
        self.idm = InverseDynamics(config, grid, dim)
        self.world = WorldModel(config, grid, dim)
        self.state_head = StateHead(config) if config.aux != "off" else None

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)

    def forward(self, u: Tensor, u_T: Tensor) -> tuple[Tensor, Posterior]:
        """Reconstruction (B, N, D) of u_T from the posterior's mean, and the posterior."""
        posterior = self.idm(u, u_T)
        return self.world(u, posterior.mean), posterior


class LaWMObjective(nn.Module):
    """Eq. 4 over batches of frames τ seconds apart.

    Args:
        config: Sizes and switches.

    Attributes:
        model: What is kept.
    """

    def __init__(self, config: LaWMConfig) -> None:
        super().__init__()
        self.config = config
        self.augmentation = Augmentation(config.augmentation) if config.augment else None
        self.model = LaWM(config)

    @property
    def external_prefixes(self) -> tuple[str, ...]:
        """Names of tensors that belong into no checkpoint begin so."""
        return external_prefixes(self)

    def replaceable_encoder(self) -> FeatureEncoder:
        """The encoder whose tokens may stand in for pictures in training batches.

        Raises:
            UsageError: Views are augmented.
        """
        if self.augmentation is not None:
            raise UsageError(
                "Views are augmented anew each time, so tokens computed beforehand cannot "
                "replace them.",
                "Set training.cache_tokens=false, or augment=false.",
            )
        return self.model.encoder

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 4, and its terms.

        Args:
            batch: A training batch; only camera 0 is looked at. Without augmentation, `features`
                (B, C, N, D) and `future_features` (B, N, D) may stand in for images.
            generator: Source of augmentation and of z.

        Returns:
            The loss, and scalars: its terms, and the errors of predicting no change (`copy`).
        """
        config, model = self.config, self.model
        seen, shown = self._views(batch, generator)
        posterior = model.idm(seen[:, 0], seen[:, 1])
        z = posterior.sample(generator) if self.training else posterior.mean
        u, u_T = shown[:, 0], shown[:, 1]
        recon = reconstruction(model.world(u, z), u_T, config)
        kl = posterior.kl().mean()
        total = recon + config.beta * kl
        terms = {"recon": recon, "kl": kl, "copy": reconstruction(u, u_T, config)}
        if model.state_head is not None:
            state, target = batch["state"], batch["future_state"]
            if config.aux == "delta":
                target = target - state
            predicted = model.state_head(state, z, batch["embodiment"])
            aux = masked_mse(predicted, target, batch["embodiment"] != NO_ROBOT)
            total = total + config.aux_weight * aux
            terms["aux"] = aux
        return total, {"loss": total.detach(), **{k: v.detach() for k, v in terms.items()}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group of matrices, one of biases and norms; the visual encoder is in neither."""
        scale = self.config.lr_scale
        return parameter_groups([("lawm", [self.model], scale)], self.config.weight_decay)

    def _views(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, 2, N, D) tokens for the encoder and for the decoder."""
        if "features" in batch:
            if self.augmentation is not None and self.training:
                raise UsageError(
                    "Views are to be augmented, and the batch has features in place of images.",
                    "Give images, or set augment=false.",
                )
            tokens = torch.stack([batch["features"][:, 0], batch["future_features"]], 1).float()
            return tokens, tokens
        clip = torch.stack([batch["images"][:, 0], batch["future_image"]], 1)
        if self.augmentation is None or not self.training:
            tokens = self.model.encoder(clip)
            return tokens, tokens
        seen, shown = (self.augmentation(clip, generator) for _ in range(2))
        return self.model.encoder(seen), self.model.encoder(shown)


def reconstruction(predicted: Tensor, target: Tensor, config: LaWMConfig) -> Tensor:
    """Distance of predicted and true tokens, averaged over tokens and their dimensions."""
    predicted, target = predicted.float(), target.float()
    if config.recon == "l2":
        return F.mse_loss(predicted, target)
    return F.smooth_l1_loss(predicted, target, beta=config.recon_beta)
