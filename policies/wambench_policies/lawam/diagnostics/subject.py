"""What is looked into: the parts of a LaWAM checkpoint that diagnostics call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wambench.errors import UsageError
from wambench_policies.data.config import horizon_steps
from wambench_policies.diagnostics.features import batched
from wambench_policies.lawam.lawm import InverseDynamics, LaWM
from wambench_policies.lawam.model import LaWAM
from wambench_policies.lawam.runs import LaWAMRun, LaWMRun
from wambench_policies.lawam.train import METHOD
from wambench_policies.nn.checkpoint import Checkpoint
from wambench_policies.nn.device import chosen_device


@dataclass(frozen=True)
class Subject:
    """A LaWM, and the policy around it where there is one.

    Attributes:
        encoder: Images to tokens u.
        world: LaWM: (u, z) to tokens; None for a policy that was trained without one.
        teacher: (u, u_T) to a posterior over z; None where no stage 1 was given.
        policy: The policy; None for a checkpoint of stage 1.
        tau: Its horizon τ in seconds.
        rounding: How τ · Hz becomes steps.
        device: Where it computes.
    """

    encoder: Any
    world: Any
    teacher: Any
    policy: LaWAM | None
    tau: float
    rounding: str
    device: torch.device

    def steps(self, seconds: float, control_hz: float) -> int:
        """Control steps of a time, at least one."""
        return max(1, horizon_steps(seconds, control_hz, self.rounding))

    @torch.no_grad()
    def encode(self, images: Any) -> Tensor:
        """(M, H, W, 3) uint8 pictures to (M, N, D) tokens."""
        return batched(
            lambda part: self.encoder(torch.from_numpy(part).to(self.device)).float(), images
        )

    @torch.no_grad()
    def latents(self, u: Tensor, u_T: Tensor) -> Tensor:
        """(M, Z) the teacher's mean."""
        return batched(lambda a, b: self.teacher(a, b).mean.float(), u, u_T)

    @torch.no_grad()
    def predict(self, u: Tensor, z: Tensor) -> Tensor:
        """(M, N, D) tokens that LaWM predicts."""
        return batched(lambda a, b: self.world(a, b).float(), u, z)


def load_subject(
    checkpoint: Checkpoint, stage_one: str | None = None, device: str = "auto"
) -> Subject:
    """Builds what a checkpoint holds.

    Args:
        checkpoint: Of stage `lawm` or `policy`.
        stage_one: For a policy: the checkpoint of stage `lawm` that holds its teacher.
        device: `auto` takes an accelerator where there is one.

    Raises:
        UsageError: They cannot be read or do not belong together.
    """
    where = chosen_device(device)
    if checkpoint.stage == "lawm":
        if stage_one is not None:
            raise UsageError(
                "--lawm is for a policy; this checkpoint is of stage lawm itself.", "Leave it out."
            )
        run = checkpoint.configuration(LaWMRun)
        model = LaWM(run)
        if not model.encoder.ours and not model.encoder.ready:
            model.encoder.load_weights()
        checkpoint.load_into(model)
        _settle(model, where)
        return Subject(model.encoder, model.world, model.idm, None, run.tau, run.rounding, where)
    config = checkpoint.configuration(LaWAMRun)
    policy = LaWAM(config)
    policy.load_external(trained=True)
    checkpoint.load_into(policy)
    _settle(policy, where)
    teacher = None
    if stage_one is not None:
        teacher = _teacher(stage_one, config, policy, checkpoint.folder)
        _settle(teacher, where)
    return Subject(
        policy.encoder, policy.world, teacher, policy, config.tau, config.rounding, where
    )


def _teacher(folder: str, config: LaWAMRun, policy: LaWAM, policy_folder: Path) -> InverseDynamics:
    """The inverse dynamics of stage 1, which must have the policy's visual encoder."""
    stage_one = Checkpoint.open(folder, method=METHOD, stage="lawm")
    teacher = InverseDynamics(config.lawm, policy.encoder.grid, policy.encoder.dim)
    stage_one.load_into(teacher, prefix="idm.")
    if policy.encoder.ours and not _same(
        policy.encoder.state_dict(), stage_one.tensors(), "encoder."
    ):
        raise UsageError(
            f"{folder} has another visual encoder than {policy_folder}: it is not its stage 1.",
            "Give the checkpoint that it was trained with; its training/run.json names it.",
        )
    return teacher


def _same(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], prefix: str) -> bool:
    return all(
        f"{prefix}{name}" in theirs and torch.equal(tensor.cpu(), theirs[f"{prefix}{name}"])
        for name, tensor in mine.items()
    )


def _settle(module: nn.Module, device: torch.device) -> None:
    module.eval().requires_grad_(False).to(device)
