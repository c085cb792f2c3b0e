"""Processors: steps named in JSON, applied in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

Step = Callable[[Any], Any]


def _normalised(stats: dict[str, Tensor]) -> Step:
    def step(batch: dict[str, Any]) -> dict[str, Any]:
        mean, std = stats["observation.state.mean"], stats["observation.state.std"]
        return batch | {"observation.state": (batch["observation.state"] - mean) / (std + 1e-8)}

    return step


def _unnormalised(stats: dict[str, Tensor]) -> Step:
    def step(action: Tensor) -> Tensor:
        assert action.ndim == 2, "as lerobot-eval: one action of a batch"
        return action * stats["action.std"] + stats["action.mean"]

    return step


def _renamed(rename_map: dict[str, str]) -> Step:
    return lambda batch: {rename_map.get(key, key): value for key, value in batch.items()}


def _moved(device: str) -> Step:
    def step(data: Any) -> Any:
        if isinstance(data, Tensor):
            return data.to(device)
        return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in data.items()}

    return step


def _seven(target_state_dim: int) -> Step:
    def step(batch: dict[str, Any]) -> dict[str, Any]:
        state = batch["observation.state"]
        assert (state.shape[-1], target_state_dim) == (8, 7)
        return batch | {"observation.state": torch.cat((state[..., :6], state[..., -1:]), dim=-1)}

    return step


class PolicyProcessorPipeline:
    """Steps in a row."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps

    def __call__(self, data: Any) -> Any:
        """Applies all steps."""
        for step in self.steps:
            data = step(data)
        return data

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        config_filename: str,
        *,
        overrides: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PolicyProcessorPipeline:
        """Reads a processor; an override of a step that it does not have is a KeyError."""
        folder = Path(pretrained_model_name_or_path)
        left = dict(overrides or {})
        steps = []
        for entry in json.loads((folder / config_filename).read_text())["steps"]:
            name = entry["registry_name"]
            config = entry.get("config", {}) | left.pop(name, {})
            stats = load_file(folder / entry["state_file"]) if "state_file" in entry else {}
            makers: dict[str, Callable[[], Step]] = {
                "rename_observations_processor": lambda config=config: _renamed(**config),
                "to_batch_processor": lambda: lambda data: data,
                "device_processor": lambda config=config: _moved(config["device"]),
                "normalizer_processor": lambda stats=stats: _normalised(stats),
                "unnormalizer_processor": lambda stats=stats: _unnormalised(stats),
                "lawam_libero_state": lambda config=config: _seven(**config),
            }
            steps.append(makers[name]())
        if left:
            raise KeyError(f"Override keys {sorted(left)} do not match any step.")
        return cls(steps)
