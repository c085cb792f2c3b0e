"""Configurations of the visual encoders; importing them needs no PyTorch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wambench_policies.nn.config import Config


class DinoV3Config(Config):
    """DINOv3 ViT-B/16, the encoder of LaWAM (released configuration).

    Attributes:
        kind: Tells the encoders apart.
        source: Name on the Hugging Face hub, or a local folder, with the weights.
        image_size: Side of the image in pixels; 256 gives 16 x 16 tokens.
        patch: Side of a patch in pixels.
        dim: Width of a token.
        layers: Transformer layers.
        heads: Attention heads.
        registers: Register tokens, dropped with the CLS token.
        hidden_state: Which hidden state the tokens are; -2 is the last but one.
        random: Allow running with random weights: parameter counts and tests only.
    """

    kind: Literal["dinov3"] = "dinov3"
    source: str = "facebook/dinov3-vitb16-pretrain-lvd1689m"
    image_size: int = 256
    patch: int = 16
    dim: int = 768
    layers: int = 12
    heads: int = 12
    registers: int = 4
    hidden_state: int = -2
    random: bool = False


class TinyEncoderConfig(Config):
    """A small convolutional network that stands in for DINOv3 on a CPU.

    Attributes:
        kind: Tells the encoders apart.
        source: Folder or safetensors file of a pretrained one; None where it comes with a
            checkpoint of a model that contains it.
        image_size: Side of the image in pixels; the tokens are a grid of an eighth of the side,
            halved (128 gives 8 x 8).
        widths: Channels after the stem (a quarter of the side), the second (an eighth) and the
            third stage (a sixteenth).
        blocks: Residual blocks in each of the three stages.
        dim: Width of a token.
        random: Allow running with random weights: tests only.
    """

    kind: Literal["tiny"] = "tiny"
    source: str | None = None
    image_size: int = Field(128, multiple_of=16)
    widths: tuple[int, int, int] = (48, 96, 128)
    blocks: tuple[int, int, int] = (0, 1, 2)
    dim: int = 96
    random: bool = False


class VJepa2Config(Config):
    """V-JEPA 2 ViT-g ("1B"), the encoder of LAC-WM.

    Attributes:
        kind: Tells the encoders apart.
        source: Name on the Hugging Face hub, or a local folder, with the weights.
        image_size: Side of the image in pixels; 256 gives 16 x 16 tokens.
        patch: Side of a patch in pixels.
        frames: How often a picture is repeated to be a clip; one tubelet is 2 (ours: the paper
            does not say how single pictures are encoded).
        dim: Width of a token.
        layers: Transformer layers.
        heads: Attention heads.
        mlp_ratio: Width inside the MLPs over `dim`.
        random: Allow running with random weights: parameter counts and tests only.
    """

    kind: Literal["vjepa2"] = "vjepa2"
    source: str = "facebook/vjepa2-vitg-fpc64-256"
    image_size: int = 256
    patch: int = 16
    frames: Literal[2] = 2
    dim: int = 1408
    layers: int = 40
    heads: int = 22
    mlp_ratio: float = 48 / 11
    random: bool = False


EncoderConfig = Annotated[
    DinoV3Config | TinyEncoderConfig | VJepa2Config, Field(discriminator="kind")
]
"""Any of the encoders, told apart by `kind`."""
