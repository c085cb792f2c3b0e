"""Configurations of the baselines' trainings: what is trained, with the loop's settings beside it.

The budget is that of LaWAM's policy on LIBERO, at its learning rate (see
`wambench_policies.lawam.runs`): 25,000 steps of 256 windows for `base`, 2,500 of 16 for `tiny`.

Importing this needs no PyTorch.
"""

from __future__ import annotations

from pydantic import Field

from wambench_policies.imitation.config import ACTConfig, FlowBCConfig
from wambench_policies.nn.config import preset
from wambench_policies.training.config import LoopConfig, RunConfig

BASE = LoopConfig(
    steps=25_000,
    batch_size=256,
    learning_rate=1e-4,
    final_learning_rate=5e-7,
    warmup=1_500,
    precision="bf16",
    validate_every=1_000,
    save_every=2_500,
)

TINY = LoopConfig(
    steps=2_500,
    batch_size=16,
    learning_rate=5e-4,
    final_learning_rate=5e-6,
    warmup=100,
    ema=0.999,
    cache_tokens=True,
)


class ImitationRun(RunConfig):
    """What a training of either baseline has beside the model.

    Attributes:
        execute_s: Seconds of a chunk that the policy executes before it looks again; None for all.
            Half of a chunk, as LaWAM's tiny preset.
    """

    execute_s: float | None = Field(0.4, gt=0)


class FlowBCRun(FlowBCConfig, ImitationRun):
    """`flow_bc`."""

    @preset
    @classmethod
    def base(cls) -> FlowBCRun:
        """For an accelerator."""
        return super().base().model_copy(update={"training": BASE})

    @preset
    @classmethod
    def base_tiny_encoder(cls) -> FlowBCRun:
        """For an accelerator, without downloads."""
        return super().base_tiny_encoder().model_copy(update={"training": BASE})

    @preset
    @classmethod
    def tiny(cls) -> FlowBCRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY})


class ACTRun(ACTConfig, ImitationRun):
    """`act`."""

    @preset
    @classmethod
    def base(cls) -> ACTRun:
        """For an accelerator."""
        return super().base().model_copy(update={"training": BASE})

    @preset
    @classmethod
    def base_tiny_encoder(cls) -> ACTRun:
        """For an accelerator, without downloads."""
        return super().base_tiny_encoder().model_copy(update={"training": BASE})

    @preset
    @classmethod
    def tiny(cls) -> ACTRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY})
