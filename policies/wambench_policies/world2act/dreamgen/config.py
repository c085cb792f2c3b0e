"""Presets and switches of imagined demonstrations, the data of World2Act's baselines.

"DreamGen" is Jang et al. 2025 (arXiv 2505.12705), whose recipe the paper's baseline has: a world
model imagines videos, an inverse dynamics model says by which actions, and the policy is trained on
real and imagined demonstrations together. What is "ours" no source decides.

Importing this needs no PyTorch.
"""

from __future__ import annotations

from pydantic import Field

from wambench_policies.data.config import ClipConfig, DataConfig, SelectionConfig
from wambench_policies.nn.config import Config, preset
from wambench_policies.training.config import LoopConfig, RunConfig
from wambench_policies.world2act.config import WorldModelConfig


class InverseConfig(Config):
    """The inverse dynamics model: two pictures to the actions between, by regression (ours).

    DreamGen's is a flow-matching transformer over the same two pictures, without instruction or
    proprioception. Over the four steps between two frames of ours the actions are nearly a function
    of the pictures, so that their mean is told.

    Attributes:
        channels: Channels of the convolutions, each of which halves the picture.
        hidden: Width of the layer before the actions.
        state: Weight of the error of proprioception after the actions, which is told as well
            (DreamGen's policies are given zeros; ours would then never see in training what they
            see when they act).
        weight_decay: Of matrices.
    """

    channels: tuple[int, ...] = (32, 64, 128, 128)
    hidden: int = Field(256, ge=1)
    state: float = Field(0.1, ge=0)
    weight_decay: float = Field(1e-2, ge=0)

    @preset
    @classmethod
    def paper(cls) -> InverseConfig:
        """For pictures of 480 x 832."""
        return cls(channels=(32, 64, 128, 256, 256, 256), hidden=1024)

    @preset
    @classmethod
    def tiny(cls) -> InverseConfig:
        """On two CPU cores."""
        return cls()


INVERSE = LoopConfig(
    steps=20_000,
    batch_size=64,
    learning_rate=3e-4,
    warmup=500,
    precision="bf16",
    validate_every=1_000,
    save_every=1_000,
)
TINY_INVERSE = LoopConfig(
    steps=3_000, batch_size=32, learning_rate=1e-3, warmup=100, save_every=500, validate_every=250
)


class InverseRun(InverseConfig, RunConfig):
    """Stage idm.

    Attributes:
        world_model: Configuration of the world model whose pictures it is for: their cameras and
            size, and how many actions lie between two latents.
    """

    world_model: WorldModelConfig = WorldModelConfig()

    @property
    def chunk(self) -> int:
        """Actions M between the two pictures."""
        return self.world_model.tokenizer.stride

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training clips look like: two pictures, and the actions executed between."""
        seen = self.world_model.windows(selection)
        clip = ClipConfig(chunks=1, chunk_steps=self.chunk, tiled=len(seen.cameras) > 1)
        return seen.model_copy(update={"clip": clip})

    @preset
    @classmethod
    def paper(cls) -> InverseRun:
        """For pictures of 480 x 832."""
        return super().paper().model_copy(update={"training": INVERSE})

    @preset
    @classmethod
    def tiny(cls) -> InverseRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY_INVERSE})


class ImagineRun(Config):
    """Stage imagine.

    Attributes:
        world_sha256: Digest of the world model's checkpoint.
        idm_sha256: Digest of that of the inverse dynamics model.
        draws: Videos of each start (ours).
        still: See `PosttrainRun`; what stands still at the end of a clip is cut off, as there.
        seed: Of the world model's noise.
    """

    world_sha256: str = ""
    idm_sha256: str = ""
    draws: int = Field(1, ge=1)
    still: float = Field(0.08, ge=0, le=1)
    seed: int = Field(0, ge=0)

    @preset
    @classmethod
    def tiny(cls) -> ImagineRun:
        """For latents of the tiny tokenizer."""
        return cls()

    @preset
    @classmethod
    def paper(cls) -> ImagineRun:
        """For those of Cosmos."""
        return cls()
