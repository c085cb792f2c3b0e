"""Where a training takes its visual encoder from. Importing this needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wambench.errors import UsageError
from wambench.trainer import TrainInput
from wambench_policies.nn.encoders.config import EncoderConfig, TinyEncoderConfig

if TYPE_CHECKING:
    from wambench_policies.nn.encoders.base import FeatureEncoder

SHIPPED_ENCODER = Path(__file__).parents[1] / "lawam" / "checkpoints" / "encoder"
"""The pretrained tiny encoder in the package: a checkpoint of LaWAM's stage `encoder`."""

ENCODER_INPUT = TrainInput("encoder", "checkpoint of a stage encoder [default: the shipped one]")
"""The input of stages whose model has the tiny encoder."""


def encoder_source(config: EncoderConfig, given: str | None) -> str | None:
    """Where the tiny encoder's weights are; None where it needs none from a folder of ours.

    Args:
        config: The encoder.
        given: Value of the input `encoder`.

    Raises:
        UsageError: There are none.
    """
    if not isinstance(config, TinyEncoderConfig):
        if given is not None:
            name = {"dinov3": "DINOv3", "vjepa2": "V-JEPA 2"}[config.kind]
            raise UsageError(
                f"--encoder is for the tiny encoder, and this preset has {name}.",
                "Set encoder.source to a local folder with its weights instead.",
            )
        return None
    if given is not None:
        if config.source is not None:
            raise UsageError("--encoder and encoder.source are both given.", "Give one of them.")
        return given
    if config.source is not None or config.random:
        return config.source
    if not SHIPPED_ENCODER.exists():
        raise UsageError(
            "No pretrained tiny encoder is shipped with this version of wambench.",
            "Train one with `wambench train lawam --stage encoder` and give it by --encoder.",
        )
    return str(SHIPPED_ENCODER)


def load_encoder(encoder: FeatureEncoder, config: EncoderConfig, source: str | None) -> None:
    """Gives a visual encoder its pretrained weights.

    The place that they come from is not in the configuration: they are in the checkpoint itself.

    Args:
        encoder: What gets them.
        config: What it was built from.
        source: See `encoder_source`.

    Raises:
        UsageError: They cannot be read or do not fit.
    """
    from wambench_policies.nn.encoders.build import build_encoder

    if source is None:
        if not config.random:
            encoder.load_weights()
        return
    loaded = build_encoder(config.model_copy(update={"source": source}))
    loaded.load_weights()
    encoder.load_state_dict(loaded.state_dict())
