"""The backbone of a configuration."""

from __future__ import annotations

from wambench_policies.nn.language.base import Backbone
from wambench_policies.nn.language.config import Qwen3VLConfig, TinyBackboneConfig


def build_backbone(
    config: Qwen3VLConfig | TinyBackboneConfig,
    *,
    cameras: int,
    grid: tuple[int, int],
    token_dim: int,
) -> Backbone:
    """The backbone that a configuration describes, without its public weights.

    Args:
        config: The configuration.
        cameras: Number of cameras, the primary one included.
        grid: Rows and columns of the visual encoder's tokens.
        token_dim: Their width.
    """
    if isinstance(config, Qwen3VLConfig):
        from wambench_policies.nn.language.qwen3_vl import Qwen3VLBackbone

        return Qwen3VLBackbone(config)
    from wambench_policies.nn.language.tiny import TinyBackbone

    return TinyBackbone(config, cameras, grid, token_dim)
