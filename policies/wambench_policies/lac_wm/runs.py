"""Configurations of LAC-WM's trainings: what is trained, with the loop's settings beside it.

Lengths and batches are the paper's (§4, appendix A.3): 80k steps of 512, of which the last 20k have
temporal attention and clips of 8 chunks; 60k steps of 256 for fine-tuning. Learning rates and the
image decoder's training are not in the paper; those here are ours, as are all `tiny` settings.

Importing this needs no PyTorch.
"""

from __future__ import annotations

from pydantic import Field

from wambench_policies.data.config import DataConfig, SelectionConfig
from wambench_policies.lac_wm.config import (
    AdaptationConfig,
    DecoderConfig,
    DynamicsConfig,
    FramesConfig,
)
from wambench_policies.nn.config import preset
from wambench_policies.training.config import LoopConfig, RunConfig

EVERYTHING = SelectionConfig(success_only=False)
"""A world model learns from failures as well."""

PRETRAIN = LoopConfig(
    steps=80_000,
    batch_size=512,
    learning_rate=1e-4,
    warmup=2_000,
    precision="bf16",
    validate_every=2_000,
    save_every=5_000,
)
FINETUNE = LoopConfig(
    steps=60_000,
    batch_size=256,
    learning_rate=1e-4,
    warmup=500,
    precision="bf16",
    validate_every=2_000,
    save_every=5_000,
)
DECODER = LoopConfig(
    steps=100_000,
    batch_size=256,
    learning_rate=1e-4,
    warmup=2_000,
    precision="bf16",
    validate_every=2_000,
    save_every=5_000,
)
TINY_DECODER = LoopConfig(
    steps=1_500, batch_size=16, learning_rate=1e-3, warmup=100, save_every=250
)
TINY_ENCODER = LoopConfig(
    steps=2_000, batch_size=24, learning_rate=2e-3, warmup=100, save_every=250
)
TINY_PRETRAIN = LoopConfig(
    steps=2_000, batch_size=16, learning_rate=1e-3, warmup=100, save_every=250
)
TINY_FINETUNE = LoopConfig(
    steps=1_500, batch_size=16, learning_rate=1e-3, warmup=50, save_every=250
)


class FramesRun(FramesConfig, RunConfig):
    """Stage encoder."""

    data: SelectionConfig = EVERYTHING

    @preset
    @classmethod
    def tiny(cls) -> FramesRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY_ENCODER})


class PretrainRun(DynamicsConfig, RunConfig):
    """Stage pretrain.

    Attributes:
        temporal_start: Fraction of the steps after which the FDM has temporal attention and clips
            have `horizon` chunks (paper: 60k of 80k).
    """

    temporal_start: float = Field(0.75, ge=0, le=1)
    data: SelectionConfig = EVERYTHING

    @property
    def temporal_from(self) -> int:
        """Optimiser step from which there is temporal attention."""
        return round(self.temporal_start * self.training.steps)

    def clips(self) -> DataConfig:
        """What training clips look like."""
        return self.windows(self.data, self.temporal_from)

    def model_part(self) -> DynamicsConfig:
        """The configuration of the model alone."""
        return DynamicsConfig(**{name: getattr(self, name) for name in DynamicsConfig.model_fields})

    @preset
    @classmethod
    def paper(cls) -> PretrainRun:
        """As the paper describes it."""
        return super().paper().model_copy(update={"training": PRETRAIN})

    @preset
    @classmethod
    def tiny(cls) -> PretrainRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY_PRETRAIN})


class FinetuneRun(AdaptationConfig, RunConfig):
    """Stage finetune.

    Attributes:
        world: The world model; taken from the checkpoint that is given by --world.
    """

    world: DynamicsConfig = DynamicsConfig()
    data: SelectionConfig = EVERYTHING

    def clips(self) -> DataConfig:
        """What training clips look like."""
        return self.world.windows(self.data)

    def adaptation_part(self) -> AdaptationConfig:
        """The stages and adapters alone."""
        return AdaptationConfig(
            **{name: getattr(self, name) for name in AdaptationConfig.model_fields}
        )

    @preset
    @classmethod
    def paper(cls) -> FinetuneRun:
        """As the paper describes it."""
        return cls(world=DynamicsConfig.paper(), training=FINETUNE)

    @preset
    @classmethod
    def tiny(cls) -> FinetuneRun:
        """On two CPU cores."""
        return cls(world=DynamicsConfig.tiny(), training=TINY_FINETUNE)


class DecoderRun(DecoderConfig, RunConfig):
    """Stage decoder."""

    data: SelectionConfig = EVERYTHING

    @preset
    @classmethod
    def paper(cls) -> DecoderRun:
        """With the published number of parameters."""
        return super().paper().model_copy(update={"training": DECODER})

    @preset
    @classmethod
    def tiny(cls) -> DecoderRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY_DECODER})

    def model_part(self) -> DecoderConfig:
        """The configuration of the model alone."""
        return DecoderConfig(**{name: getattr(self, name) for name in DecoderConfig.model_fields})
