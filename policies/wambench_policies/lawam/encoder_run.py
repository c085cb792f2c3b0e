"""Configuration of the tiny encoder's pretraining, with the loop's settings beside it."""

from __future__ import annotations

from wambench_policies.nn.config import preset
from wambench_policies.nn.encoders.pretraining import TinyEncoderPretrainingConfig
from wambench_policies.training.config import LoopConfig, RunConfig

TINY = LoopConfig(steps=4_000, batch_size=24, learning_rate=2e-3, warmup=100)


class EncoderRun(TinyEncoderPretrainingConfig, RunConfig):
    """Pretraining of the tiny encoder; settings are ours."""

    @preset
    @classmethod
    def tiny(cls) -> EncoderRun:
        """The sizes of LaWAM's tiny preset."""
        return super().tiny().model_copy(update={"training": TINY})
