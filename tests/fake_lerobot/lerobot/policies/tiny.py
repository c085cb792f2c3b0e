"""Three types of policies: without noise, with it, and one that takes it and draws its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model
from torch import Tensor, nn

from lerobot.configs.policies import PreTrainedConfig


@PreTrainedConfig.register_subclass("act")
@dataclass
class ACTConfig(PreTrainedConfig):
    """Settings of `act`."""

    chunk_size: int = 100
    n_action_steps: int = 100
    temporal_ensemble_coeff: float | None = None


@PreTrainedConfig.register_subclass("smolvla")
@dataclass
class SmolVLAConfig(PreTrainedConfig):
    """Settings of `smolvla`."""

    chunk_size: int = 50
    n_action_steps: int = 50
    max_action_dim: int = 32
    num_steps: int = 10
    empty_cameras: int = 0


@PreTrainedConfig.register_subclass("lawam")
@dataclass
class LaWAMConfig(PreTrainedConfig):
    """Settings of `lawam`."""

    chunk_size: int = 50
    n_action_steps: int | None = None
    action_hz: float | None = None
    num_inference_steps: int | None = None
    flow_num_inference_steps: int = 10


class PreTrainedPolicy(nn.Module):
    """Answers with `gain` (chunk, action) times what it sees, plus how often it was asked.

    Attributes:
        seen: The last batch it was given.
        noise: The last noise that it used.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        self.config: Any = config
        assert config.output_features
        width = config.output_features["action"].shape[0]
        self.gain = nn.Parameter(torch.zeros(self.config.chunk_size, width))
        self.seen: dict[str, Any] = {}
        self.noise: Tensor | None = None
        self._asked = 0

    @classmethod
    def from_pretrained(
        cls,
        pretrained_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        force_download: bool = False,
        resume_download: bool | None = None,
        proxies: dict[Any, Any] | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        strict: bool = False,
        **kwargs: Any,
    ) -> PreTrainedPolicy:
        """Builds it and reads its weights."""
        assert config is not None
        print("Loading weights from local directory")
        policy = cls(config, **kwargs)
        load_model(policy, Path(pretrained_name_or_path) / "model.safetensors", strict=strict)
        return policy

    def reset(self) -> None:
        """To be called when an episode begins."""
        self._asked = 0

    def _answer(self, batch: dict[str, Any], noise: Tensor | None) -> Tensor:
        """(B, chunk, action)."""
        assert not torch.is_grad_enabled()
        assert not self.training
        self.seen, self.noise = batch, noise
        self._asked += 1
        pictures = [batch[key] for key in self.config.image_features if key in batch]
        assert pictures, "All image features are missing from the batch."
        level = sum((i + 1) * picture.mean((1, 2, 3)) for i, picture in enumerate(pictures))
        level = level + batch["observation.state"].mean(-1)
        actions = self.gain * (level + self._asked)[:, None, None]
        return actions if noise is None else actions + noise[..., : self.gain.shape[1]]


class ACTPolicy(PreTrainedPolicy):
    """Draws nothing."""

    def predict_action_chunk(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, chunk, action)."""
        return self._answer(batch, None)


class SmolVLAPolicy(PreTrainedPolicy):
    """Uses the noise that it is given."""

    def predict_action_chunk(
        self, batch: dict[str, Tensor], noise: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """(B, chunk, action)."""
        shape = (1, self.config.chunk_size, self.config.max_action_dim)
        if noise is None:
            noise = torch.randn(shape)
        assert noise.shape == shape
        return self._answer(batch, noise)


class LaWAMPolicy(PreTrainedPolicy):
    """Takes noise, and draws its own from torch's global generator."""

    def predict_action_chunk(self, batch: dict[str, Tensor], noise: Tensor | None = None) -> Tensor:
        """(B, chunk, action)."""
        del noise
        return self._answer(batch, torch.randn(1, *self.gain.shape))


TYPES: dict[str, type[PreTrainedPolicy]] = {
    "act": ACTPolicy,
    "smolvla": SmolVLAPolicy,
    "lawam": LaWAMPolicy,
}
