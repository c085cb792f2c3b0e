"""Presets and switches of World2Act's world model.

Presets:
    paper    Cosmos-Predict2-2B Video2World as the paper uses it, its weights from a local folder;
    release  the same as the released code uses it: it differs in `latents`;
    tiny     the same structure at a size that trains on two CPU cores.

Sources are given with each field: "paper" for its text (third-party notes of it), "release" for
the authors' code, "Cosmos" for the published model, "ours" where no source decides.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wambench_policies.data.config import ClipConfig, DataConfig, SelectionConfig
from wambench_policies.nn.config import Config, preset

Kind = Literal["skill", "base"]
"""What a clip shows: one skill under its prompt, or a whole episode under its instruction."""

COSMOS = "Cosmos-Predict2-2B-Video2World"
"""Name of the published model; on the Hugging Face hub under `nvidia/`, behind a licence."""


class TinyTokenizerConfig(Config):
    """A convolutional autoencoder of single frames that stands in for Cosmos' tokenizer.

    It looks at every `stride`-th row alone, where the large one looks at all of them, so that a
    latent means as much time in both. All sizes are ours; the 16 channels and a latent for 8 x 8
    pixels are those of the large one.

    Attributes:
        kind: Tells the tokenizers apart.
        image_size: Side of the picture in pixels.
        channels: Channels of a latent.
        stride: Control steps from one latent to the next.
        widths: Channels at a quarter and at an eighth of the side.
        blocks: Residual blocks at either, in the encoder and again in the decoder.
    """

    kind: Literal["tiny"] = "tiny"
    image_size: int = Field(64, multiple_of=8)
    channels: int = Field(16, ge=1)
    stride: int = Field(4, ge=1)
    widths: tuple[int, int] = (48, 96)
    blocks: tuple[int, int] = (1, 1)

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of a camera's picture."""
        return (self.image_size, self.image_size)

    @property
    def every(self) -> int:
        """Rows from one frame that it looks at to the next."""
        return self.stride


class CosmosTokenizerConfig(Config):
    """The tokenizer of Cosmos-Predict2, which is Wan 2.1's: 93 frames become 24 latents.

    Attributes:
        kind: Tells the tokenizers apart.
        source: Folder of the model as diffusers lays it out; its `vae` is read.
        height: Of the picture in pixels (release: 480).
        width: Of the picture in pixels (release: 832).
        channels: Channels of a latent (Cosmos).
        stride: Frames that a latent holds, but for the first, which holds one (Cosmos).
        shrink: Pixels of a side that a latent holds (Cosmos).
        base_dim: Width of its first layer (Cosmos).
        random: Allow running with random weights: counts and tests only.
    """

    kind: Literal["cosmos"] = "cosmos"
    source: str = COSMOS
    height: int = Field(480, multiple_of=16)
    width: int = Field(832, multiple_of=16)
    channels: int = 16
    stride: Literal[4] = 4
    shrink: Literal[8] = 8
    base_dim: int = 96
    random: bool = False

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of a camera's picture: four are tiled (release)."""
        return (self.height // 2, self.width // 2)

    @property
    def every(self) -> int:
        """Rows from one frame that it looks at to the next."""
        return 1


class TinyNetworkConfig(Config):
    """A video transformer with attention in space, in time and to words. All values are ours.

    Attributes:
        kind: Tells the networks apart.
        dim: Width.
        heads: Heads.
        hidden: Width inside the MLPs.
        layers: Layers.
        patch: Side of the squares of latents that become a token.
        buckets: Rows of each of the two word tables.
        words: Longest prompt in words.
        spread: Standard deviation of the noise about the first frame where the flow begins, and
            the scale in which the network tells changes.
    """

    kind: Literal["tiny"] = "tiny"
    dim: int = Field(128, multiple_of=4)
    heads: int = Field(4, ge=1)
    hidden: int = Field(256, ge=1)
    layers: int = Field(4, ge=1)
    patch: int = Field(2, ge=1)
    buckets: int = 512
    words: int = 32
    spread: float = Field(0.5, gt=0)


class CosmosNetworkConfig(Config):
    """The diffusion transformer of Cosmos-Predict2-2B Video2World, prompts through T5-11B.

    Attributes:
        kind: Tells the networks apart.
        source: Folder of the model as diffusers lays it out: `transformer`, and with it
            `text_encoder` and `tokenizer`.
        layers: Layers (Cosmos).
        heads: Heads of 128 (Cosmos: 16).
        head_dim: Width of a head (Cosmos).
        adaln_rank: Rank of the modulations (Cosmos).
        text_dim: Width of T5's hidden states.
        text_layers: Layers of T5's encoder.
        text_heads: Its heads, of 128.
        text_hidden: Width inside its MLPs.
        words: Tokens that a prompt is padded to (Cosmos: 512).
        rope_scale: Scales of rotary positions in time, height and width (Cosmos).
        fps: Frames per second, which positions in time depend on (release: 16).
        sigma_first: Noise level that the first frame is said to have (Cosmos).
        random: Allow running with random weights: counts and tests only.
    """

    kind: Literal["cosmos"] = "cosmos"
    source: str = COSMOS
    layers: int = Field(28, ge=1)
    heads: int = Field(16, ge=1)
    head_dim: int = 128
    adaln_rank: int = 256
    text_dim: int = 1024
    text_layers: int = 24
    text_heads: int = 128
    text_hidden: int = 65_536
    words: int = 512
    rope_scale: tuple[float, float, float] = (1.0, 3.0, 3.0)
    fps: int = 16
    sigma_first: float = 1e-4
    random: bool = False


TokenizerConfig = Annotated[
    TinyTokenizerConfig | CosmosTokenizerConfig, Field(discriminator="kind")
]
"""Any of the tokenizers, told apart by `kind`."""

NetworkConfig = Annotated[TinyNetworkConfig | CosmosNetworkConfig, Field(discriminator="kind")]
"""Any of the networks, told apart by `kind`."""


class AutoencoderConfig(Config):
    """Training of the tiny tokenizer; all values are ours.

    Attributes:
        tokenizer: Its sizes.
        cameras: Cameras by the suite's names; several are tiled.
        latent_noise: Standard deviation of noise on the latents, whose own is 1: the decoder is
            to paint what is imagined, which is not quite what was encoded.
        weight_decay: Of matrices.
    """

    tokenizer: TinyTokenizerConfig = TinyTokenizerConfig()
    cameras: tuple[str, ...] = Field(("agentview",), min_length=1, max_length=4)
    latent_noise: float = Field(0.1, ge=0)
    weight_decay: float = Field(1e-3, ge=0)

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training windows look like, over a selection of demonstrations: single frames."""
        return DataConfig(
            **dict(selection), cameras=self.cameras, image_size=self.tokenizer.view_size
        )

    @preset
    @classmethod
    def tiny(cls) -> AutoencoderConfig:
        """The tokenizer of the tiny world model."""
        return cls()


class WorldModelConfig(Config):
    """The world model: clips from a first frame and a prompt.

    Attributes:
        tokenizer: Pictures to latents and back.
        network: What denoises latents.
        wm: What clips show (paper: skill; base is what it is compared with).
        frames: Rows of a clip (release: 93, which are 24 latents). 44 % of libero_goal's skills and
            59 % of libero_long's are longer than that, 4 and 5 % than the 133 that `tiny` has: what
            does not end within its clip is gone on with under the next prompt.
        hold: Most rows by which a training clip goes beyond the end of its demonstration, whose
            last frame is held (ours; the released loader leaves short videos out).
        cameras: Cameras by the suite's names; several are tiled, and the prompt says how
            (release).
        latents: What alignment is given for a clip: latents `sampled` from noise (paper), or the
            estimate of `one_step` from a noised real clip (release).
        noise: Share of noise in that clip, the flow time being 1 less it (ours).
        loss: Squared error of the flow's `velocity` (Cosmos), or of the `clean` latents (ours).
        early: How often flow times near the noise are trained, Beta's parameter in
            `nn.flow.flow_times` (ours; 1.5 is that of other flows here). Late in the flow the video
            is to be seen in the latents; what is imagined is decided early. With 6, 1,500 steps of
            `tiny` came as near to what was recorded as 3,000 with 1.5; see docs/world2act.md.
        steps: Euler steps of a sample (ours; Cosmos' pipeline has 35 of another solver). Beginning
            about the first frame, `tiny` needs few: 4 in place of 10 are 2.5 times as cheap, no
            further from what was recorded, and keep six sevenths of what draws differ by; see
            docs/world2act.md.
        weight_decay: Of matrices (ours).
    """

    tokenizer: TokenizerConfig = CosmosTokenizerConfig()
    network: NetworkConfig = CosmosNetworkConfig()
    wm: Kind = "skill"
    frames: int = Field(93, ge=2)
    hold: int = Field(46, ge=0)
    cameras: tuple[str, ...] = Field(
        ("agentview", "robot0_eye_in_hand"), min_length=1, max_length=4
    )
    latents: Literal["sampled", "one_step"] = "sampled"
    noise: float = Field(0.5, gt=0, lt=1)
    loss: Literal["velocity", "clean"] = "velocity"
    early: float = Field(1.5, gt=0)
    steps: int = Field(35, ge=1)
    weight_decay: float = Field(1e-2, ge=0)

    @model_validator(mode="after")
    def _whole_latents(self) -> WorldModelConfig:
        if (self.frames - 1) % self.tokenizer.stride:
            raise ValueError(
                f"frames {self.frames} is not 1 more than a multiple of the tokenizer's stride "
                f"{self.tokenizer.stride}"
            )
        return self

    @property
    def span(self) -> int:
        """Control steps between the first frame of a clip and its last."""
        return self.frames - 1

    @property
    def latent_frames(self) -> int:
        """Latents T of a clip."""
        return self.span // self.tokenizer.stride + 1

    def clip(
        self, clips: int = 1, *, hold: int | None = None, whole: bool | None = None
    ) -> ClipConfig:
        """What clips look like.

        Args:
            clips: How many of them end to end.
            hold: In place of the configuration's.
            whole: Whether clips of an episode are put together; None as `wm` says.
        """
        every = self.tokenizer.every
        return ClipConfig(
            chunks=clips * self.span // every,
            chunk_steps=every,
            hold=self.hold if hold is None else hold,
            whole=self.wm == "base" if whole is None else whole,
            tiled=len(self.cameras) > 1,
        )

    def windows(self, selection: SelectionConfig) -> DataConfig:
        """What training clips look like, over a selection of demonstrations."""
        return DataConfig(
            **dict(selection),
            cameras=self.cameras,
            image_size=self.tokenizer.view_size,
            executed=True,
            clip=self.clip(),
        )

    @preset
    @classmethod
    def paper(cls) -> WorldModelConfig:
        """As the paper describes it."""
        return cls()

    @preset
    @classmethod
    def release(cls) -> WorldModelConfig:
        """As the released code has it."""
        return cls(latents="one_step")

    @preset
    @classmethod
    def tiny(cls) -> WorldModelConfig:
        """On two CPU cores; sizes are ours."""
        return cls(
            tokenizer=TinyTokenizerConfig(),
            network=TinyNetworkConfig(),
            frames=133,
            hold=86,
            cameras=("agentview",),
            loss="clean",
            early=6.0,
            steps=4,
            weight_decay=1e-3,
        )
