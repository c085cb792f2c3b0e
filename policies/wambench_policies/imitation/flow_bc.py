"""`flow_bc`: LaWAM's policy without a world model.

    p(a | o, l) = p_η(a | o, l, u)

in place of LaWAM's Eq. 3: the same frozen encoder, language model and action expert, trained by the
flow-matching loss alone. The expert attends to the primary camera's tokens u where LaWAM's attends
to [u; û_T].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wambench_policies.imitation.config import FlowBCConfig
from wambench_policies.nn.expert.alternate_dit import ActionExpert, Context
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.horizon import horizon_mask
from wambench_policies.nn.observer import Observer, ObserverObjective


class FlowBC(Observer):
    """The policy network.

    Args:
        config: Sizes and switches.

    Attributes:
        expert: The action expert.
    """

    def __init__(self, config: FlowBCConfig) -> None:
        super().__init__(config.encoder, config.backbone, config.cameras)
        self.config = config
        state_dim = config.state_dim if config.proprio else None
        self.expert = ActionExpert(config.expert, self.backbone.dim, self.encoder.dim, state_dim)

    def context(self, batch: Mapping[str, Any]) -> Context:
        """What the expert attends to; for the batch see `observe`."""
        seen = self.observe(batch)
        return self.expert.context(seen.language.hidden, seen.language.valid, seen.u)

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
        config = self.config
        valid = horizon_mask(batch["control_hz"], noise.shape[-2], config.tau, config.rounding)
        return self.expert.sample(batch, self.context(batch), noise, valid, config.denoise_steps)


class FlowBCObjective(ObserverObjective):
    """The flow-matching loss over training batches.

    Args:
        config: Sizes and switches.

    Attributes:
        model: The policy, which is what is kept.
    """

    def __init__(self, config: FlowBCConfig) -> None:
        super().__init__()
        self.config = config
        self.model: FlowBC = FlowBC(config)

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its one term.

        Args:
            batch: A training batch; see `Observer.observe` for what may stand in for images.
            generator: Source of noise, flow time and dropout.
        """
        model = self.model
        action = model.expert.loss(batch, model.context(batch), self.config.noise_draws, generator)
        return action, {"loss": action.detach(), "action": action.detach()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Expert and backbone. Matrices apart from the rest."""
        config, model = self.config, self.model
        return parameter_groups(
            [
                ("expert", [model.expert], 1.0),
                ("backbone", [model.backbone], config.lr_scale_backbone),
            ],
            config.weight_decay,
        )
