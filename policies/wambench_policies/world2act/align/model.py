"""Alignment: both adapters, what they are trained for, and how a trained pair is read.

aligned = Alignment.load("ckpt/align")
aligned.video(latents)           # (B, C, T, h, w) to (B, N, D), N = T - moments + 1
aligned.action(chunks).code      # (B, N, M, A), normalised, to (B, N, D)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench.results.provenance import checkpoint_digest
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.flow import masked_mse
from wambench_policies.nn.groups import parameter_groups
from wambench_policies.nn.normalise import Normalisation
from wambench_policies.world2act.align.adapters import ADAPTERS, ActionAdapter, VideoAdapter
from wambench_policies.world2act.align.config import AlignRun
from wambench_policies.world2act.align.contrast import infonce, scores
from wambench_policies.world2act.align.pairs import action_width
from wambench_policies.world2act.world import VideoWorld


class Alignment(nn.Module):
    """The adapters.

    Args:
        config: Which, and their world model's sizes.
        width: Width A of actions.

    Attributes:
        video: Latents into the common space.
        action: Chunks of actions into it, and back.
        spread: (A,) standard deviations of the demonstrations' actions, normalised: how far from
            them the adapter knows anything.
    """

    def __init__(self, config: AlignRun, width: int) -> None:
        super().__init__()
        tokenizer = config.world_model.tokenizer
        self.config = config
        self.video = VideoAdapter(tokenizer.channels, config.dim, config.moments, config.grid)
        self.action: ActionAdapter = ADAPTERS[config.action_adapter](
            tokenizer.stride, width, config.dim
        )
        self.register_buffer("spread", torch.ones(width))

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Those of a checkpoint of stage align, frozen, in evaluation."""
        config = checkpoint.configuration(AlignRun)
        aligned = cls(config, action_width(checkpoint.normalisation))
        checkpoint.load_into(aligned)
        return aligned.eval().requires_grad_(False)


def world_of(
    config: AlignRun, folder: str | None, device: Literal["auto", "cpu", "cuda"]
) -> VideoWorld:
    """The world model that was aligned.

    Args:
        config: Of the alignment.
        folder: Where its checkpoint is now; None for where it was.
        device: Where it is to run.

    Raises:
        UsageError: It is not there, or it is another one.
    """
    place = Path(folder or config.world)
    if not place.is_dir():
        raise UsageError(
            f"The world model that was aligned is not at {place}.", "Say where it is by --world."
        )
    if checkpoint_digest(place) != config.world_sha256:
        raise UsageError(
            f"{place} is not the world model that was aligned; its digest is another.",
            "Give that one by --world, or align this one.",
        )
    return VideoWorld.load(str(place), device=device)


class AlignObjective(nn.Module):
    """Reconstruction of actions and InfoNCE between them and videos.

    Args:
        config: Sizes and weights.
        normalisation: Of the data; says how wide actions are.

    Attributes:
        model: What is kept.
    """

    def __init__(self, config: AlignRun, normalisation: Normalisation) -> None:
        super().__init__()
        self.config = config
        self.model = Alignment(config, action_width(normalisation))

    def loss(
        self, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and scalars.

        `video_to_action` is the share of videos whose own actions are found among the candidates,
        `action_to_video` the reverse, `chance` what guessing would give; `hard` is the share of the
        candidates that were hard negatives.

        Args:
            batch: See `align/pairs.py`.
            generator: Source of the VAE's draws.
        """
        config, draws = self.config, generator if self.training else None
        video = self.model.video(batch["latents"].float())
        actions = self.model.action(batch["actions"], draws)
        mask, own = batch["mask"], torch.arange(len(video), device=video.device)
        error = self._error(actions.drawn, batch["actions"], mask, batch["action_mask"])
        if config.negatives == "explicit":
            others, others_mask = batch["negatives"], batch["negative_mask"]
            negatives = self.model.action(others, draws)
            width_mask = batch["action_mask"][:, None].expand(-1, others.shape[1], -1)
            error = error + self._error(negatives.drawn, others, others_mask, width_mask)
            candidates = torch.cat([actions.code[:, None], negatives.code], dim=1)
            candidate_mask = torch.cat([mask[:, None], others_mask], dim=1)
            table = scores(video, candidates, mask, candidate_mask, config.contrast)
            asked = {"video_to_action": infonce(table, torch.zeros_like(own), config.temperature)}
        else:
            table = scores(video, actions.code, mask, mask, config.contrast)
            demonstration = batch["demonstration"]
            # Other clips of one's own demonstration are neither positive nor negative.
            same = demonstration[:, None] == demonstration
            table = table.without(same & ~torch.eye(len(own), dtype=torch.bool, device=own.device))
            asked = {
                "video_to_action": infonce(table, own, config.temperature),
                "action_to_video": infonce(table.turned(), own, config.temperature),
            }
        used = asked if config.direction == "both" else {"": asked["video_to_action"]}
        contrast = torch.stack([one.loss for one in used.values()]).sum()
        divergence = (actions.kl * mask).sum() / mask.sum()
        total = config.reconstruction * error + config.contrastive * contrast
        if config.action_adapter == "vae":
            total = total + config.kl * divergence
        terms = {
            "loss": total,
            "reconstruction": error,
            "contrast": contrast,
            **{name: one.accuracy for name, one in asked.items()},
            "chance": asked["video_to_action"].chance,
            "hard": batch["hard"].mean(),
        }
        return total, {name: value.detach() for name, value in terms.items()}

    def _error(self, codes: Tensor, chunks: Tensor, mask: Tensor, width_mask: Tensor) -> Tensor:
        """Mean squared error of decoded actions, over those that are real.

        Args:
            codes: (..., T, D).
            chunks: (..., T, M, A).
            mask: (..., T) which chunks are real.
            width_mask: (..., A) which dimensions the robot has.
        """
        counts = mask[..., None, None] & width_mask[..., None, None, :]
        return masked_mse(self.model.action.decode(codes), chunks, counts)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One learning rate for both adapters."""
        return parameter_groups([("adapters", [self.model], 1.0)], self.config.weight_decay)
