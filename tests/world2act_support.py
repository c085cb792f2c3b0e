"""Small world models of World2Act, and skill clips for them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from skills_support import widths, write_gripper_demos
from wambench.inspector import Finding, InspectRequest
from wambench.skills.clips import BuildRequest, build
from wambench.trainer import TrainRequest, TrainResult
from wambench_policies.world2act.config import WorldModelConfig
from wambench_policies.world2act.inspect import World2ActInspector
from wambench_policies.world2act.model import VideoWorldModel
from wambench_policies.world2act.train import World2ActTrainer

TOKENIZER = {"image_size": "16", "widths": "8,16", "channels": "4"}
NETWORK = {"dim": "16", "heads": "2", "hidden": "16", "layers": "2"}
CLIP = {"frames": "9", "hold": "4", "steps": "3"}
"""Clips of 9 rows, which are 3 latents of 2 x 2."""


def small_config(**changes: Any) -> WorldModelConfig:
    """The tiny preset at a size for tests."""
    values = {f"tokenizer.{k}": v for k, v in TOKENIZER.items()}
    values |= {f"network.{k}": v for k, v in NETWORK.items()} | CLIP | changes
    return WorldModelConfig.tiny().with_overrides(values)


def small_model(seed: int = 0, **changes: Any) -> VideoWorldModel:
    """A model of random weights whose prompts, frames and times matter, in evaluation."""
    torch.manual_seed(seed)
    model = VideoWorldModel(small_config(**changes))
    model.tokenizer.ready = True
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.network.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def write_skills(folder: Path, demos: int = 3) -> Path:
    """Skill clips of two tasks: one of two skills (rows 0 to 26, 27 to 61), one of one (20)."""
    size = {"size": (16, 16)}
    write_gripper_demos(folder / "whole", [widths(12, 15, 10, 20, 5)] * demos, **size)
    one = {"task": 1, "task_name": "KITCHEN_SCENE1_cup", "instruction": "put the cup on the plate"}
    write_gripper_demos(folder / "whole", [widths(8, 12)] * demos, **one, **size)
    build(BuildRequest(str(folder / "whole"), folder / "skills", videos=False))
    return folder / "skills" / "demos"


def train(stage: str, data: Path, out: Path, **options: Any) -> TrainResult:
    """A short training of a stage, at the sizes of these tests."""
    sizes = {
        "tokenizer": {f"tokenizer.{key}": value for key, value in TOKENIZER.items()},
        "worldmodel": {f"network.{key}": value for key, value in NETWORK.items()} | CLIP,
        "align": {"starts": "3"},
        "idm": {"channels": "8,16", "hidden": "32"},
    }[stage]
    loop = {
        "training.warmup": "0",
        "training.validate_every": "3",
        "training.validation_batches": "1",
        "training.save_every": "3",
        "training.log_every": "1",
        "data.validation": "0.3",
    }
    options = {"steps": 6, "batch_size": 4, "device": "cpu", "preset": "tiny"} | options
    overrides = sizes | loop | options.pop("overrides", {})
    request = TrainRequest(stage=stage, data=(str(data),), out=out, overrides=overrides, **options)
    return World2ActTrainer().train(request)


def look(
    folder: Path,
    out: Path,
    checkpoint: str | Path = "world",
    data: Path | None = None,
    **options: Any,
) -> dict[str, Finding]:
    """What `wambench inspect world2act` says of a checkpoint in a folder, by diagnostic."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAMBENCH_CACHE", str(folder / "cache"))
        request = InspectRequest(
            checkpoint=folder / checkpoint,
            data=(str(data or folder / "skills" / "demos"),),
            out=out,
            episodes="all",
            device="cpu",
            **options,
        )
        return {found.name: found for found in World2ActInspector().inspect(request)}


def table(finding: Finding) -> list[dict[str, str]]:
    """The rows of a finding's table."""
    with finding.files[0].open(newline="") as file:
        return list(csv.DictReader(file))
