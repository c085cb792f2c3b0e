"""From a type's name to its class and its processors."""

from __future__ import annotations

from typing import Any

from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.tiny import TYPES, PreTrainedPolicy
from lerobot.processor.pipeline import PolicyProcessorPipeline


def get_policy_class(name: str) -> type[PreTrainedPolicy]:
    """The class of a type."""
    return TYPES[name]


def make_pre_post_processors(
    policy_cfg: PreTrainedConfig,
    pretrained_path: str | None = None,
    pretrained_revision: str | None = None,
    **kwargs: Any,
) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """The processors of a checkpoint."""
    assert pretrained_path is not None
    return (
        PolicyProcessorPipeline.from_pretrained(
            pretrained_model_name_or_path=pretrained_path,
            config_filename="policy_preprocessor.json",
            overrides=kwargs.get("preprocessor_overrides", {}),
        ),
        PolicyProcessorPipeline.from_pretrained(
            pretrained_model_name_or_path=pretrained_path,
            config_filename="policy_postprocessor.json",
            overrides=kwargs.get("postprocessor_overrides", {}),
        ),
    )
