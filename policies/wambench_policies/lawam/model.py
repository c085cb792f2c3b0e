"""Stage 2 of LaWAM: the policy.

    p(a, û_T, ẑ | o, l) = p_θ(ẑ | o, l) · p_ω(û_T | u, ẑ) · p_η(a | o, l, u, û_T)      (Eq. 3)
    L = λ_distill ‖ẑ - z‖² + λ_wm ‖û_T - u_T‖² + L_act                              (Eq. 5)

The language model's latent-action queries are aggregated to ẑ, the world model imagines the subgoal
û_T from it in one pass, and the action expert acts towards it.

Where gradients go (knowledge insulation as released): the subgoal is detached before the expert, so
the world model learns from L_wm alone, and ẑ from L_distill and L_wm; the teacher and the visual
encoder are frozen; hidden states of the language model are not detached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.lawam.config import LaWAMConfig, LaWMConfig
from wambench_policies.lawam.lawm import InverseDynamics, WorldModel
from wambench_policies.nn.expert.alternate_dit import ActionExpert, Context
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.horizon import horizon_mask
from wambench_policies.nn.observer import Observed, Observer, ObserverObjective
from wambench_policies.nn.query import QueryAggregation


@dataclass(frozen=True)
class Imagined(Observed):
    """What the policy sees, reads and imagines before it acts.

    Attributes:
        latent: (B, Z) ẑ.
        subgoal: (B, N, D) û_T, with gradient to the world model; None without one.
    """

    latent: Tensor
    subgoal: Tensor | None


class LaWAM(Observer):
    """The policy network.

    Args:
        config: Sizes and switches.

    Attributes:
        aggregation: Latent-action queries to ẑ.
        world: LaWM_ω, or None without `use_lawm`.
        expert: The action expert.
    """

    def __init__(self, config: LaWAMConfig) -> None:
        super().__init__(config.lawm.encoder, config.backbone, config.cameras)
        self.config = config
        grid, dim = self.encoder.grid, self.encoder.dim
        self.aggregation = QueryAggregation(
            config.lawm.latent_dim, self.backbone.dim, config.aggregation_heads
        )
        self.world = WorldModel(config.lawm, grid, dim) if config.use_lawm else None
        state_dim = config.state_dim if config.proprio else None
        self.expert = ActionExpert(config.expert, self.backbone.dim, dim, state_dim)

    def imagine(self, batch: Mapping[str, Any]) -> Imagined:
        """Sees, reads, and imagines the subgoal; for the batch see `observe`."""
        seen = self.observe(batch)
        latent = self.aggregation(seen.language.latent)
        subgoal = self.world(seen.u, latent) if self.world is not None else None
        return Imagined(seen.u, seen.language, latent, subgoal)

    def context(self, imagined: Imagined) -> Context:
        """What the expert attends to, with gradients cut where the configuration says."""
        config, language = self.config, imagined.language
        hidden = language.hidden
        if config.insulate_vlm:
            end = language.latent_end
            hidden = torch.cat([hidden[:, :end].detach(), hidden[:, end:]], dim=1)
        visual = imagined.u
        if imagined.subgoal is not None:
            subgoal = imagined.subgoal.detach() if config.ki else imagined.subgoal
            visual = torch.cat([visual, subgoal.to(visual.dtype)], dim=1)
        return self.expert.context(hidden, language.valid, visual)

    @torch.no_grad()
    def predict(self, batch: Mapping[str, Any], noise: Tensor) -> Tensor:
        """Chunks of actions.

        Args:
            batch: As for `observe`, with `control_hz` and `embodiment`, and `state` where
                `proprio` is on.
            noise: (B, K, A) standard normal, drawn by the caller for each episode from that
                episode's own generator; K at least the actions of the horizon. Or (B, R, K, A) for
                R samples each, which share what is seen and read.

        Returns:
            (B, K, A) normalised actions, zero beyond each sample's horizon.
        """
        return self.act(batch, self.imagine(batch), noise)

    @torch.no_grad()
    def act(self, batch: Mapping[str, Any], imagined: Imagined, noise: Tensor) -> Tensor:
        """`predict` with what was imagined before, or with a subgoal put in its place."""
        config = self.config
        valid = horizon_mask(batch["control_hz"], noise.shape[-2], config.tau, config.rounding)
        return self.expert.sample(batch, self.context(imagined), noise, valid, config.denoise_steps)

    def action_loss(
        self, batch: Mapping[str, Any], imagined: Imagined, generator: torch.Generator
    ) -> Tensor:
        """Flow-matching error over the actions that are there, several draws per sample."""
        return self.expert.loss(batch, self.context(imagined), self.config.noise_draws, generator)


class LaWAMObjective(ObserverObjective):
    """Eq. 5 over training batches.

    Args:
        config: Sizes and switches.

    Attributes:
        model: The policy, which is what is kept.
        teacher: The inverse dynamics of stage 1, frozen; None without `distill`.
    """

    def __init__(self, config: LaWAMConfig) -> None:
        super().__init__()
        self.config = config
        self.model: LaWAM = LaWAM(config)
        self.teacher: InverseDynamics | None = None
        self._has_stage_one = not config.needs_lawm
        if config.distill:
            encoder = self.model.encoder
            self.teacher = InverseDynamics(config.lawm, encoder.grid, encoder.dim)
            self.teacher.requires_grad_(False).eval()
            self.register_load_state_dict_pre_hook(_note_teacher)

    def train(self, mode: bool = True) -> Self:
        """The teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def load_lawm(self, config: LaWMConfig, tensors: Mapping[str, Tensor]) -> None:
        """Takes visual encoder, teacher and (with `pretrain`) world model from stage 1.

        Args:
            config: What stage 1 was trained with.
            tensors: The weights of a `LaWM` by name.

        Raises:
            UsageError: Stage 1 has another structure than this configuration expects.
        """
        unlike = {
            key: values
            for key, values in config.differences(self.config.lawm).items()
            if key in STRUCTURE or (key.startswith("encoder.") and key not in NOT_STRUCTURE)
        }
        if unlike:
            raise UsageError(
                "Stage 1 does not fit: "
                + "; ".join(
                    f"lawm.{key} is {theirs} there and {ours} here"
                    for key, (theirs, ours) in unlike.items()
                )
                + ".",
                "Train the policy with the settings of its stage 1.",
            )
        wanted: list[tuple[str, nn.Module]] = []
        if self.model.encoder.ours:
            wanted.append(("encoder.", self.model.encoder))
        if self.teacher is not None:
            wanted.append(("idm.", self.teacher))
        if self.model.world is not None and self.config.pretrain:
            wanted.append(("world.", self.model.world))
        for prefix, module in wanted:
            found = {
                name.removeprefix(prefix): tensor
                for name, tensor in tensors.items()
                if name.startswith(prefix)
            }
            try:
                module.load_state_dict(found)
            except RuntimeError as error:
                raise UsageError(
                    f"Stage 1 does not fit: {' '.join(str(error).split())[:300]}",
                    "Give a checkpoint of `--stage lawm`.",
                ) from error
        self._has_stage_one = True

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 5, and its terms.

        Args:
            batch: A training batch. `features` (B, C, N, D) and `future_features` (B, N, D) stand
                in for images where they are there.
            generator: Source of noise, flow time, dropout and the teacher's sample.

        Returns:
            The loss, and scalars: its terms, and the error of predicting no change (`copy`).
        """
        if not self._has_stage_one and not batch["actions"].is_meta:
            raise UsageError(
                "LaWAM was given no stage 1, and this configuration needs one.",
                "Give a checkpoint of `--stage lawm`, or set distill=false and pretrain=false.",
            )
        config, model = self.config, self.model
        imagined = model.imagine(batch)
        action = model.action_loss(batch, imagined, generator)
        total, terms = action, {"action": action}
        if self.teacher is not None or imagined.subgoal is not None:
            if "future_features" in batch:
                u_T = batch["future_features"].float()
            else:
                u_T = model.encoder(batch["future_image"])
            if self.teacher is not None:
                with torch.no_grad():
                    posterior = self.teacher(imagined.u, u_T)
                    z = posterior.mean
                    if config.teacher == "sample":
                        z = posterior.sample(generator)
                distill = F.mse_loss(imagined.latent.float(), z.float())
                total = total + config.distill_weight * distill
                terms["distill"] = distill
            if imagined.subgoal is not None:
                subgoal = F.mse_loss(imagined.subgoal.float(), u_T)
                total = total + config.wm_weight * subgoal
                terms["subgoal"] = subgoal
                terms["copy"] = F.mse_loss(imagined.u, u_T)
        return total, {"loss": total.detach(), **{k: v.detach() for k, v in terms.items()}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Expert; backbone with queries and aggregation; world model. Matrices apart from rest."""
        config, model = self.config, self.model
        parts = [
            ("expert", [model.expert], 1.0),
            ("backbone", [model.backbone, model.aggregation], config.lr_scale_backbone),
        ]
        if model.world is not None:
            parts.append(("world", [model.world], config.lr_scale_lawm))
        return parameter_groups(parts, config.weight_decay)


STRUCTURE = ("latent_dim", "dim", "heads", "hidden", "enc_layers", "dec_layers", "cond")
"""Keys of stage 1 that decide what its tensors mean."""

NOT_STRUCTURE = ("encoder.source", "encoder.random")
"""Keys of the encoder that do not."""


def _note_teacher(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Before a state is loaded: one that holds the teacher holds stage 1."""
    assert isinstance(module, LaWAMObjective)
    if any(key.startswith(f"{prefix}teacher.") for key in state):
        module._has_stage_one = True
