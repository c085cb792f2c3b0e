"""Trains the VLA: `wambench train vla --stage policy --preset tiny --data data/bfa --out ckpt/vla`.

Failures among the demonstrations are left out (`data.success_only`). Importing this needs no
PyTorch.
"""

from __future__ import annotations

from pathlib import Path

from wambench.trainer import Stage, TrainRequest, TrainResult
from wambench_policies.imitation.train import train_policy
from wambench_policies.training.encoders import ENCODER_INPUT
from wambench_policies.vla.config import VLARun

METHOD = "vla"
PRESETS = ("paper", "tiny")
SHIPPED = Path(__file__).parent / "checkpoints" / METHOD


class VLATrainer:
    """The one stage of `vla`."""

    stages = (
        Stage("policy", "the VLA of LAC-WM's appendix A.7, a flow", PRESETS, (ENCODER_INPUT,)),
    )

    def train(self, request: TrainRequest) -> TrainResult:
        """Trains it; see `wambench.trainer.Trainer`."""
        from wambench_policies.imitation.flow_bc import FlowBCObjective

        about = "The VLA of LAC-WM's appendix A.7: a flow over chunks of actions."
        return train_policy(request, METHOD, about, VLARun, FlowBCObjective)
