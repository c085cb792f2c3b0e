"""Presets and switches of LAC-WM's world models.

Presets:
    paper  the sizes that reproduce the paper's parameter counts exactly (Table 4);
    tiny   the same structure at a size that trains on two CPU cores.

Sources are given with each field: "paper" with its section, "counts" for what the published
parameter counts imply, "ours" where no source decides.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from wambench_policies.data.config import AugmentConfig, ClipConfig, DataConfig, SelectionConfig
from wambench_policies.nn.config import Config, preset
from wambench_policies.nn.encoders.config import EncoderConfig, TinyEncoderConfig, VJepa2Config

Conditioning = Literal["latent", "explicit"]
"""Latent actions (LAC-WM), or an action encoder per embodiment (EAC-WM)."""


class TransformerConfig(Config):
    """Sizes that inverse dynamics (IDM) and forward dynamics (FDM) share.

    Attributes:
        block: Layout of a block; `v2` and `v4` have the same number of parameters at the paper's
            sizes (counts). v2: three attentions and MLPs in the order of §3.1, v4: one gated MLP.
        dim: Width (paper: 512).
        heads: Heads (paper: 16).
        hidden: Width inside the MLPs (counts: 2048).
        context: Frames that temporal attention looks back over, the present one included (paper:
            the horizon of 8; that it slides along longer roll-outs is ours).
    """

    block: Literal["v2", "v4"] = "v2"
    dim: int = Field(512, multiple_of=8)
    heads: int = Field(16, ge=1)
    hidden: int = Field(2048, ge=1)
    context: int = Field(8, ge=2)


class MotionConfig(Config):
    """The motion decoder; only its outline is in the paper.

    Attributes:
        on: Whether there is one; LAC-WM-MD-CA has none.
        dim: Width (ours).
        heads: Heads (ours).
        hidden: Width inside its MLPs (ours).
        pose_width: Numbers of the end-effectors' pose per step that there is room for (paper:
            EgoDex has 138, AgiBot 20, DROID 10).
        camera_width: Numbers of the camera's pose per step (paper); zeros where it stands still.
        per_embodiment_heads: A last layer for every embodiment in place of padding and a mask.
    """

    on: bool = True
    dim: int = Field(512, ge=1)
    heads: int = Field(16, ge=1)
    hidden: int = Field(2048, ge=1)
    pose_width: int = Field(138, ge=1)
    camera_width: Literal[9] = 9
    per_embodiment_heads: bool = False


class DynamicsConfig(Config):
    """The world model.

    Attributes:
        encoder: The frozen visual encoder.
        conditioning: What the FDM is given beside the frame.
        transformer: Sizes of IDM and FDM.
        idm_blocks: Blocks of the IDM (paper: 4).
        fdm_blocks: Blocks of the FDM (paper: 8).
        latent_dim: Width of the latent action (counts: 64), halved between pose and camera.
        predict: The FDM's last layer gives the next `features` (counts), or their `change`, which
            begins as none (ours).
        chunk: Control steps between two frames, whose actions are one latent action (counts: 5).
        horizon: Chunks of a training clip (paper: 8).
        feedback: Within a clip the FDM is given the true frames (`teacher`), or its own
            (`rollout`), as in planning. The paper does not say.
        cross_aug: Whether the latent of one augmented view explains another view (paper).
        augmentation: What such a view is (ours: LaWAM's released one).
        recon_weight: λ_recon (ours: the paper gives no value).
        motion_weight: λ_motion (ours, likewise). 0.1 in `tiny`: its frames are a chunk of a third
            of a second apart, and their errors are a tenth of the poses'.
        motion: The motion decoder.
        proj_hidden: Width inside the action projector and the action encoders (counts: 2048).
        proj_input: The projector's actions are `padded` to `proj_width` (counts) or have their
            `native` width; action encoders always have the latter.
        proj_width: Room for the actions of a step (counts: 138).
        cameras: Cameras by the suite's names; only the first is looked at.
        embodiments: Number of embodiments that heads of their own are kept for.
        weight_decay: Of matrices (ours).
    """

    encoder: EncoderConfig = VJepa2Config()
    conditioning: Conditioning = "latent"
    transformer: TransformerConfig = TransformerConfig()
    idm_blocks: int = Field(4, ge=1)
    fdm_blocks: int = Field(8, ge=1)
    latent_dim: int = Field(64, multiple_of=2)
    predict: Literal["features", "change"] = "features"
    chunk: int = Field(5, ge=1)
    horizon: int = Field(8, ge=1)
    feedback: Literal["teacher", "rollout"] = "teacher"
    cross_aug: bool = True
    augmentation: AugmentConfig = AugmentConfig()
    recon_weight: float = Field(1.0, ge=0)
    motion_weight: float = Field(1.0, ge=0)
    motion: MotionConfig = MotionConfig()
    proj_hidden: int = Field(2048, ge=1)
    proj_input: Literal["padded", "native"] = "padded"
    proj_width: int = Field(138, ge=1)
    cameras: tuple[str, ...] = Field(("head",), min_length=1, max_length=1)
    embodiments: int = Field(8, ge=2)
    weight_decay: float = Field(1e-2, ge=0)

    @property
    def needs_views(self) -> bool:
        """Whether training looks at augmented views."""
        return self.cross_aug and self.conditioning == "latent"

    def windows(self, selection: SelectionConfig, single_until: int = 0) -> DataConfig:
        """What training clips look like, over a selection of demonstrations.

        Args:
            selection: The demonstrations.
            single_until: Optimiser step before which clips have one chunk.
        """
        side = self.encoder.image_size
        return DataConfig(
            **dict(selection),
            cameras=self.cameras,
            image_size=(side, side),
            executed=True,
            prologues=True,
            clip=ClipConfig(chunks=self.horizon, chunk_steps=self.chunk, single_until=single_until),
        )

    @preset
    @classmethod
    def paper(cls) -> DynamicsConfig:
        """As the paper describes it."""
        return cls()

    @preset
    @classmethod
    def tiny(cls) -> DynamicsConfig:
        """On two CPU cores; sizes are ours."""
        return cls(
            encoder=TinyEncoderConfig(),
            transformer=TransformerConfig(dim=128, heads=4, hidden=256, context=4),
            idm_blocks=2,
            fdm_blocks=3,
            latent_dim=32,
            predict="change",
            horizon=4,
            feedback="rollout",
            motion_weight=0.1,
            motion=MotionConfig(dim=128, heads=4, hidden=256, pose_width=32),
            proj_hidden=256,
            proj_width=32,
            weight_decay=1e-3,
        )


class AdaptationConfig(Config):
    """How a pretrained world model is taken to a new embodiment (appendix A.3).

    Attributes:
        stages: Which of the three stages: 1 latent conditioning with adapters on IDM and FDM, 2 the
            action projector (or encoder), 3 projector and FDM together.
        shares: Their relative lengths (paper: 20k, 5k, 35k steps).
        freeze_fdm_in_2: The FDM stands still in stage 2; LAC-WM-(1,2) trains it.
        lora_rank: Rank of the adapters (paper: 2); 0 trains the FDM itself.
        lora_alpha: Scale times rank; None for the rank (ours).
        adapters: Stage 3 goes on with the adapters of stage 1 (`continue`), or has new ones on top
            of those, which stand still, as if they had been merged (`new`). The paper does not say.
        proj_target: What stage 2 fits the projector to: the IDM's latent after a layer norm, the
            frame through the FDM (`recon`), or both (ours).
        pretrained: Whether it begins from a pretrained world model; EAC-WM-S does not.
    """

    stages: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    shares: tuple[float, float, float] = (20.0, 5.0, 35.0)
    freeze_fdm_in_2: bool = True
    lora_rank: int = Field(2, ge=0)
    lora_alpha: float | None = Field(None, gt=0)
    adapters: Literal["continue", "new"] = "continue"
    proj_target: Literal["latent", "recon", "both"] = "both"
    pretrained: bool = True

    @model_validator(mode="after")
    def _sensible(self) -> AdaptationConfig:
        if not self.stages or list(self.stages) != sorted(set(self.stages)):
            raise ValueError(f"stages {self.stages} are not some of 1, 2, 3 in their order")
        if 1 in self.stages and not self.lora_rank:
            raise ValueError("stage 1 trains adapters, so lora_rank is at least 1")
        if any(self.shares[stage - 1] <= 0 for stage in self.stages):
            raise ValueError(f"every stage of {self.stages} needs a positive share of the steps")
        if not {2, 3} & set(self.stages):
            raise ValueError("without stage 2 or 3 no actions are learned")
        return self


class FramesConfig(Config):
    """Pretraining of the tiny encoder on frames without labels; all values are ours.

    Attributes:
        encoder: The network.
        cameras: Cameras by the suite's names; only the first is looked at.
        token_noise: Standard deviation of noise on the normalised tokens.
        pixel_weight: Weight of the squared error of pixels in [0, 1].
        state_weight: Weight of the squared error of standardised proprioception.
        weight_decay: Of matrices.
    """

    encoder: TinyEncoderConfig = TinyEncoderConfig()
    cameras: tuple[str, ...] = Field(("head",), min_length=1, max_length=1)
    token_noise: float = Field(0.1, ge=0)
    pixel_weight: float = Field(50.0, ge=0)
    state_weight: float = Field(0.3, ge=0)
    weight_decay: float = Field(1e-3, ge=0)

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training windows look like, over a selection of demonstrations."""
        side = self.encoder.image_size
        return DataConfig(
            **dict(selection),
            cameras=self.cameras,
            image_size=(side, side),
            clip=ClipConfig(chunks=1, chunk_steps=1),
        )

    @preset
    @classmethod
    def tiny(cls) -> FramesConfig:
        """The sizes of the tiny world model."""
        return cls()


class DecoderConfig(Config):
    """The image decoder: pictures from tokens of the visual encoder (§3.4, Table 4).

    Attributes:
        encoder: The visual encoder whose tokens it paints; frozen.
        dim: Width (counts: 1024).
        heads: Heads (counts: 32).
        hidden: Width inside the MLPs (counts: 4096).
        layers: Layers (counts: 12).
        patch: Side in pixels of what a token paints. 8 has the published number of parameters,
            with tokens interpolated to twice the grid; the prose has 16 (Table 4 less 0.13 %).
        cameras: Cameras by the suite's names; only the first is looked at.
        weight_decay: Of matrices (ours).
    """

    encoder: EncoderConfig = VJepa2Config()
    dim: int = Field(1024, multiple_of=8)
    heads: int = Field(32, ge=1)
    hidden: int = Field(4096, ge=1)
    layers: int = Field(12, ge=1)
    patch: Literal[8, 16] = 8
    cameras: tuple[str, ...] = Field(("head",), min_length=1, max_length=1)
    weight_decay: float = Field(1e-2, ge=0)

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training windows look like, over a selection of demonstrations."""
        side = self.encoder.image_size
        return DataConfig(**dict(selection), cameras=self.cameras, image_size=(side, side))

    @preset
    @classmethod
    def paper(cls) -> DecoderConfig:
        """With the published number of parameters."""
        return cls()

    @preset
    @classmethod
    def tiny(cls) -> DecoderConfig:
        """On two CPU cores; sizes are ours."""
        return cls(
            encoder=TinyEncoderConfig(),
            dim=128,
            heads=4,
            hidden=256,
            layers=3,
            weight_decay=1e-3,
        )
