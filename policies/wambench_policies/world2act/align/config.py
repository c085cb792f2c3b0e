"""Presets and switches of alignment, World2Act's stage 1.

Presets:
    paper    the adapters and the loss of the paper's text;
    release  those of the authors' code, which differ in nearly everything;
    tiny     the paper's at its sizes, for the tiny world model, trained more quickly.

Sources are given with each field as in `wambench_policies.world2act.config`. The ablations of the
paper are `direction=video_to_action` (single direction), `contrast=marginal` and `contrast=global`.
Of `marginal` the notes have the name alone; a softmax per chunk, which is what the released code
has, is our reading.

Importing this needs no PyTorch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from wambench_policies.data.config import ClipConfig, DataConfig, SelectionConfig
from wambench_policies.nn.config import Config, preset
from wambench_policies.training.config import LoopConfig, RunConfig
from wambench_policies.world2act.config import WorldModelConfig


class AlignConfig(Config):
    """Adapters and their loss.

    Attributes:
        dim: Width D of the common space (paper and release).
        moments: Latents that the video adapter is given beside a chunk of actions: the one before
            it (paper; each shows four frames), or also the one after it (`tiny`; ours, because its
            latents are of single frames: between the two pictures is what the actions did).
        grid: Side of the grid of means that the video adapter makes of a picture (paper: 1; `tiny`:
            2, ours, because it counts where an arm is).
        action_adapter: `mlp` with a decoder (paper), or `vae`, convolutions (release).
        contrast: How a video and actions are compared: `chunk_wise` (paper), `marginal` (release)
            or `global`; see `align/contrast.py`.
        direction: `both` (paper), or from videos to actions alone (release).
        negatives: Those of the other clips in the `batch` (paper), or `explicit` ones, drawn for
            every clip from all demonstrations (release).
        negative_count: How many explicit ones (release).
        hard_ratio: Share of hard negatives, which are of the same skill and another demonstration
            (paper 0.25; release asks for 0.75, of which its LIBERO loader makes 0.5). In the batch
            it is made of groups of this share that have one skill (ours). Where a skill has not
            enough demonstrations others stand in; the log's `hard` is the share that came about.
        temperature: τ (paper 0.1, release 0.07).
        reconstruction: Weight of the error of decoded actions (paper and release).
        contrastive: Weight of InfoNCE (paper 1, release 0.1).
        kl: Weight of the VAE's divergence (release).
        starts: Clips of a demonstration at most, spread over the rows where the world model was
            trained to begin (ours: a video has to be imagined for each).
        draws: Videos that are imagined of each clip (ours; the release draws anew in every step,
            and of few draws adapters can learn the noise by heart).
        seed: Of what is imagined (ours).
        weight_decay: Of matrices (release; the paper's is not known).
    """

    dim: int = Field(32, ge=1)
    moments: int = Field(1, ge=1, le=2)
    grid: int = Field(1, ge=1)
    action_adapter: Literal["mlp", "vae"] = "mlp"
    contrast: Literal["chunk_wise", "marginal", "global"] = "chunk_wise"
    direction: Literal["both", "video_to_action"] = "both"
    negatives: Literal["batch", "explicit"] = "batch"
    negative_count: int = Field(16, ge=1)
    hard_ratio: float = Field(0.25, ge=0, le=1)
    temperature: float = Field(0.1, gt=0)
    reconstruction: float = Field(1.0, ge=0)
    contrastive: float = Field(1.0, ge=0)
    kl: float = Field(1e-4, ge=0)
    starts: int = Field(8, ge=1)
    draws: int = Field(4, ge=1)
    seed: int = Field(0, ge=0)
    weight_decay: float = Field(1e-2, ge=0)

    @model_validator(mode="after")
    def _negatives_of_actions(self) -> AlignConfig:
        if self.negatives == "explicit" and self.direction == "both":
            raise ValueError(
                "explicit negatives are actions, so direction=video_to_action goes with them"
            )
        return self

    @preset
    @classmethod
    def paper(cls) -> AlignConfig:
        """As the paper describes it."""
        return cls()

    @preset
    @classmethod
    def release(cls) -> AlignConfig:
        """As the released code has it, on LIBERO."""
        return cls(
            action_adapter="vae",
            contrast="marginal",
            direction="video_to_action",
            negatives="explicit",
            hard_ratio=0.5,
            temperature=0.07,
            contrastive=0.1,
        )

    @preset
    @classmethod
    def tiny(cls) -> AlignConfig:
        """On two CPU cores."""
        return cls(starts=4, draws=2, moments=2, grid=2)


ALIGN = LoopConfig(
    steps=30_000,  # paper
    batch_size=16,  # paper
    learning_rate=1e-4,  # release, with the betas, the clipping and a rate that stays
    schedule="constant",
    validate_every=1_000,
    save_every=1_000,
)
TINY_ALIGN = LoopConfig(
    steps=4_000, batch_size=16, learning_rate=1e-3, warmup=100, save_every=500, validate_every=250
)


class AlignRun(AlignConfig, RunConfig):
    """Stage align.

    Attributes:
        world: Folder of the world model whose latents are aligned.
        world_sha256: Digest of that checkpoint.
        world_model: Its configuration.
    """

    world: str = ""
    world_sha256: str = ""
    world_model: WorldModelConfig = WorldModelConfig()

    def model_part(self) -> AlignConfig:
        """The configuration of the adapters alone."""
        return AlignConfig(**{name: getattr(self, name) for name in AlignConfig.model_fields})

    def clip(self) -> ClipConfig:
        """A video's clip and the chunks of actions that go with it.

        Latent k goes with actions 4 k to 4 k + 3, which are those that follow it (release), so
        that T latents looked at one by one need T chunks, one more than lie within the video.
        """
        world = self.world_model
        every, stride = world.tokenizer.every, world.tokenizer.stride
        beyond = 2 - self.moments
        hold = world.hold + beyond * stride
        changes = {"chunks": self.codes * stride // every, "hold": hold}
        return world.clip().model_copy(update=changes)

    @property
    def codes(self) -> int:
        """How many chunks of actions a clip has."""
        return self.world_model.latent_frames - self.moments + 1

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What clips look like, over a selection of demonstrations.

        Their actions are those that were asked for: what is imagined does not show the noise that
        was added in one recording, and noise hides how little some dimensions vary. A recorded
        clip shows what was executed.
        """
        changes = {"clip": self.clip(), "executed": self.world_model.latents == "one_step"}
        return self.world_model.windows(selection).model_copy(update=changes)

    @preset
    @classmethod
    def paper(cls) -> AlignRun:
        """As the paper describes it."""
        return super().paper().model_copy(update={"training": ALIGN})

    @preset
    @classmethod
    def release(cls) -> AlignRun:
        """As the released code has it."""
        return super().release().model_copy(update={"training": ALIGN})

    @preset
    @classmethod
    def tiny(cls) -> AlignRun:
        """On two CPU cores."""
        return super().tiny().model_copy(update={"training": TINY_ALIGN})
