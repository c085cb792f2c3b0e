"""Configurations of policies: a registry of dataclasses, read from config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lerobot.configs.types import FeatureType, PolicyFeature

_CHOICES: dict[str, type[PreTrainedConfig]] = {}


@dataclass
class PreTrainedConfig:
    """Base of configurations."""

    n_obs_steps: int = 1
    input_features: dict[str, PolicyFeature] | None = field(default_factory=dict)
    output_features: dict[str, PolicyFeature] | None = field(default_factory=dict)
    device: str | None = None
    use_amp: bool = False
    use_peft: bool = False
    pretrained_path: Path | None = None

    @classmethod
    def register_subclass(cls, name: str) -> Any:
        """Registers a type of policy."""

        def decorator(kind: type[PreTrainedConfig]) -> type[PreTrainedConfig]:
            _CHOICES[name] = kind
            return kind

        return decorator

    @classmethod
    def get_known_choices(cls) -> dict[str, type[PreTrainedConfig]]:
        """All types."""
        return _CHOICES

    @classmethod
    def get_choice_class(cls, name: str) -> type[PreTrainedConfig]:
        """One type."""
        return _CHOICES[name]

    @property
    def type(self) -> str:
        """Its name."""
        return next(name for name, kind in _CHOICES.items() if kind is type(self))

    @property
    def image_features(self) -> dict[str, PolicyFeature]:
        """The pictures among the inputs."""
        inputs = self.input_features or {}
        return {key: ft for key, ft in inputs.items() if ft.type is FeatureType.VISUAL}

    @classmethod
    def from_pretrained(
        cls,
        pretrained_name_or_path: str | Path,
        *,
        force_download: bool = False,
        resume_download: bool | None = None,
        proxies: dict[Any, Any] | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **policy_kwargs: Any,
    ) -> PreTrainedConfig:
        """Reads config.json; `cli_overrides` are `--name=value`, values as in YAML."""
        values = json.loads((Path(pretrained_name_or_path) / "config.json").read_text())
        kind = _CHOICES[values.pop("type")]
        for name in ("input_features", "output_features"):
            values[name] = {
                key: PolicyFeature(FeatureType(ft["type"]), tuple(ft["shape"]))
                for key, ft in values[name].items()
            }
        for override in policy_kwargs.pop("cli_overrides", []):
            name, _, text = override.removeprefix("--").partition("=")
            try:
                values[name] = json.loads(text)
            except ValueError:
                values[name] = text
        return kind(**values)
