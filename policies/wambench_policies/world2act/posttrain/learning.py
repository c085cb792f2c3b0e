"""The loss of post-training: actions that were executed, beside what was imagined.

The states that were visited are constants: nothing is differentiated through the simulator. The
actions are computed again by the network as it is now, and projected by the frozen adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wambench.protocol import SuiteSpec
from wambench_policies.nn.normalise import ActionNormaliser
from wambench_policies.world2act.align.config import AlignRun
from wambench_policies.world2act.align.contrast import Scores, contrast_loss, infonce, scores
from wambench_policies.world2act.posttrain.config import Negatives
from wambench_policies.world2act.posttrain.corrected import Seen
from wambench_policies.world2act.posttrain.residual import Residual, half_ranges


@dataclass(frozen=True)
class Rollout:
    """An episode beside what was imagined for it.

    Attributes:
        decisions: What the network was given for every chunk that was executed to its end.
        video: (L, D) codes of imagined latents; decision k goes with the k-th.
    """

    decisions: Sequence[Seen]
    video: Tensor

    def __len__(self) -> int:
        """Chunks that have both."""
        return min(len(self.decisions), len(self.video))


class Objective:
    """How far executed actions are from what was imagined, over groups of episodes.

    Args:
        residual: The network.
        align: Contrast, direction and temperature, which are those of alignment.
        actions: How the robot's actions are normalised.
        spec: The suite; beyond the bounds of its actions nothing is executed.
        negatives: See `PosttrainRun.negatives`.
        stay: See `PosttrainRun.stay`.
    """

    def __init__(
        self,
        residual: Residual,
        align: AlignRun,
        actions: ActionNormaliser,
        spec: SuiteSpec,
        negatives: Negatives = "task",
        stay: float = 0.0,
    ) -> None:
        self._residual = residual
        self._stay = stay
        self._align = align
        self._negatives = negatives
        device = next(residual.parameters()).device
        half = half_ranges(actions)
        middle = np.asarray(actions.low) + half
        raw = np.asarray([kind == "raw" for kind in actions.kinds])
        middle = np.where(raw, 0.0, middle)
        with np.errstate(divide="ignore", invalid="ignore"):
            bounds = [(np.asarray(b) - middle) / half for b in (spec.action_low, spec.action_high)]
        low, high = (torch.from_numpy(np.nan_to_num(b)).float().to(device) for b in bounds)
        # What demonstrations did is within the bounds, whatever rounding says.
        self._low, self._high = low.clamp(max=-1), high.clamp(min=1)

    def loss(self, group: Sequence[Rollout]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a group, and scalars.

        `contrast` is the loss without `stay`, `base_contrast` what it would be if the frozen
        policy's actions were left as they are; `found` is the share of videos whose own episode
        scores highest, `chance` what guessing would give; `change` is the mean absolute change of
        an action, in the deviations of `limit`.
        """
        residual, device = self._residual, self._low.device
        length = max(map(len, group))
        mask = torch.tensor([[k < len(one) for k in range(length)] for one in group]).to(device)
        kept = [seen for one in group for seen in one.decisions[: len(one)]]
        actions = torch.stack([seen.actions for seen in kept]).to(device)
        images = torch.stack([seen.image for seen in kept]).to(device)
        states = torch.stack([seen.state for seen in kept]).to(device)
        change = residual(actions, images, states)
        final = torch.minimum(torch.maximum(actions + change, self._low), self._high)
        video = final.new_zeros(len(group), length, residual.config.dim)
        video[mask] = torch.cat([one.video[: len(one)] for one in group]).to(device)

        def alike(chunks: Tensor) -> Scores:
            codes = torch.zeros_like(video)
            codes = codes.masked_scatter(mask[..., None], residual.adapter(chunks).code)
            return scores(video, codes, mask, mask, self._align.contrast)

        ours = alike(final)
        contrast = self._error(ours)
        total = contrast + self._stay * residual.deviations(change).square().mean()
        with torch.no_grad():
            base = self._error(alike(actions))
            found = infonce(ours, torch.arange(len(group), device=device), 1.0)
        terms = {
            "loss": total,
            "contrast": contrast,
            "base_contrast": base,
            "found": found.accuracy,
            "chance": found.chance,
            "change": residual.deviations(final - actions).abs().mean(),
        }
        return total, {name: value.detach() for name, value in terms.items()}

    def _error(self, table: Scores) -> Tensor:
        """How far actions are from their own videos, and not those of others."""
        own = torch.arange(table.values.shape[1], device=table.values.device)
        if self._negatives == "none":
            return 1 - table.values[:, own, own][table.allowed[:, own, own]].mean()
        return contrast_loss(table, own, self._align.temperature, self._align.direction)
