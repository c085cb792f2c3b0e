"""The encoder of a configuration."""

from __future__ import annotations

from wambench_policies.nn.encoders.base import FeatureEncoder
from wambench_policies.nn.encoders.config import DinoV3Config, EncoderConfig, VJepa2Config


def build_encoder(config: EncoderConfig) -> FeatureEncoder:
    """The encoder that a configuration describes, without its weights."""
    if isinstance(config, DinoV3Config):
        from wambench_policies.nn.encoders.dinov3 import DinoV3Encoder

        return DinoV3Encoder(config)
    if isinstance(config, VJepa2Config):
        from wambench_policies.nn.encoders.vjepa2 import VJepa2Encoder

        return VJepa2Encoder(config)
    from wambench_policies.nn.encoders.tiny import TinyEncoder

    return TinyEncoder(config)
