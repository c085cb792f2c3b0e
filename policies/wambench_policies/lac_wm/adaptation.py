"""Fine-tuning to a new embodiment in three stages (appendix A.3), as phases of one training.

    1 latent   adapters of IDM and FDM on the new embodiment's pictures, without its actions
    2 project  the action projector, from scratch, the FDM standing still
    3 joint    projector and the FDM's adapters

Which of them there are, and what else differs, is what distinguishes the variants of Table 5.

Non-obvious behaviours
    - All parameters that are ever trained are in the optimiser from the beginning; those of other
      phases get no gradient, and the optimiser leaves such parameters as they are.
    - Stage 1 has cross-augmentation where pretraining had; the other stages look at clips as they
      are. There is no motion loss (neither is fixed by the paper).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.lac_wm.config import AdaptationConfig, DynamicsConfig
from wambench_policies.lac_wm.model import DynamicsObjective, LatentWorldModel
from wambench_policies.nn.adaln import plain_norm
from wambench_policies.nn.lora import adapt, adapter_parameters, merge

Stage = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a fine-tuning.

    Attributes:
        stage: The paper's stage.
        first: Its first optimiser step.
    """

    stage: Stage
    first: int


def phases(config: AdaptationConfig, steps: int) -> tuple[Phase, ...]:
    """The phases of a fine-tuning of so many steps, lengths in proportion to `shares`.

    Raises:
        UsageError: A stage would have no step.
    """
    total = sum(config.shares[stage - 1] for stage in config.stages)
    begun, out = 0.0, []
    for stage in config.stages:
        out.append(Phase(stage, round(steps * begun / total)))
        begun += config.shares[stage - 1]
    firsts = [phase.first for phase in out] + [steps]
    if any(later <= first for first, later in itertools.pairwise(firsts)):
        raise UsageError(
            f"{steps} steps are too few for stages {', '.join(map(str, config.stages))} in the "
            f"proportion {':'.join(f'{config.shares[stage - 1]:g}' for stage in config.stages)}.",
            "Take more steps.",
        )
    return tuple(out)


class AdaptedWorldModel(LatentWorldModel):
    """A world model with adapters, and with actions.

    Args:
        config: Sizes and switches.
        adaptation: What is adapted.
        widths: Embodiment's number to the width of its actions.
    """

    def __init__(
        self, config: DynamicsConfig, adaptation: AdaptationConfig, widths: Mapping[int, int]
    ) -> None:
        super().__init__(config, widths)
        self.adaptation = adaptation
        rank, alpha = adaptation.lora_rank, adaptation.lora_alpha
        if rank:
            adapt(self.fdm, rank=rank, adapters=self._fdm_adapters, alpha=alpha)
        if self.idm is not None:
            if 1 in adaptation.stages:
                adapt(self.idm, rank=rank, alpha=alpha)
            self.idm.requires_grad_(False)

    @property
    def _fdm_adapters(self) -> int:
        """A second set of adapters where stage 3 does not go on with those of stage 1."""
        both = {1, 3} <= set(self.adaptation.stages)
        return 2 if both and self.adaptation.adapters == "new" else 1

    def trained(self, stage: Stage) -> Iterator[nn.Parameter]:
        """The parameters that a stage trains."""
        if stage == 1:
            assert self.idm is not None
            yield from adapter_parameters(self.idm, 0)
        else:
            assert self.actions is not None
            yield from self.actions.parameters()
        if stage == 2 and self.adaptation.freeze_fdm_in_2:
            return
        if self.adaptation.lora_rank:
            yield from adapter_parameters(self.fdm, self._fdm_adapters - 1 if stage == 3 else 0)
        else:
            yield from self.fdm.parameters()

    def merge_adapters(self) -> None:
        """Plain layers in place of adapted ones, which compute the same, faster."""
        merge(self)


class AdaptationObjective(DynamicsObjective):
    """See the module docstring.

    Args:
        config: Sizes and switches of the world model.
        adaptation: Stages and adapters.
        widths: Embodiment's number to the width of its actions.
        steps: Optimiser steps of the training.
    """

    model: AdaptedWorldModel

    def __init__(
        self,
        config: DynamicsConfig,
        adaptation: AdaptationConfig,
        widths: Mapping[int, int],
        steps: int,
    ) -> None:
        super().__init__(config, AdaptedWorldModel(config, adaptation, widths))
        self.adaptation = adaptation
        self.phases = phases(adaptation, steps)
        if 1 not in adaptation.stages:
            self.augmentation = None
        self.stage: Stage = self.phases[-1].stage
        # The optimiser is built over everything that is trained at some time.
        self._require(set(adaptation.stages))

    def begin_step(self, step: int) -> None:
        """Trains what the phase of a step trains."""
        self.stage = [phase for phase in self.phases if phase.first <= step][-1].stage
        self._require({self.stage})

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the present stage, and scalars.

        `recon` is that of the frames, `latent` the projector's distance to the IDM (0 where it is
        not asked for), in evaluation also those of `ahead`, with the actions' own latents from
        stage 2 on.
        """
        model = self.model
        if self.stage == 1:
            seen, shown = self.views(batch, generator)
            assert model.idm is not None
            z = model.idm(seen)
        else:
            shown = self.tokens(batch)
            assert model.actions is not None
            z = model.actions(batch["actions"], batch["embodiment"])
        target = self.adaptation.proj_target
        alone = self.stage == 2 and self.adaptation.freeze_fdm_in_2 and model.idm is not None
        latent = shown.new_zeros(())
        if alone and target != "recon":
            assert model.idm is not None
            with torch.no_grad():
                wanted = plain_norm(model.idm(shown))
            latent = F.mse_loss(plain_norm(z), wanted)
        recon = F.mse_loss(self.predicted(shown, z).float(), shown[:, 1:])
        total = latent if alone and target == "latent" else recon + latent
        terms = {
            "recon": recon,
            "latent": latent,
            "copy": F.mse_loss(shown[:, :-1], shown[:, 1:]),
        }
        if not self.training:
            terms |= self.ahead(shown, z)
        return total, {"loss": total.detach(), **{k: v.detach() for k, v in terms.items()}}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices, and biases and norms; only of what is trained at some time."""
        decayed = [p for p in self.model.parameters() if p.requires_grad and p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.requires_grad and p.dim() <= 1]
        return [
            {"name": name, "params": params, "lr_scale": 1.0, "weight_decay": decay}
            for name, params, decay in (
                ("adapted", decayed, self.config.weight_decay),
                ("adapted_plain", plain, 0.0),
            )
            if params
        ]

    def _require(self, stages: set[Any]) -> None:
        """Lets exactly what some stages train have a gradient."""
        self.model.requires_grad_(False)
        for stage in stages:
            for parameter in self.model.trained(stage):
                parameter.requires_grad_(True)
