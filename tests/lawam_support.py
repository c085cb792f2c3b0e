"""Small LaWAMs and batches for them."""

from __future__ import annotations

from typing import Any

import torch

from wambench_policies.lawam.config import LaWAMConfig
from wambench_policies.lawam.lawm import LaWM
from wambench_policies.lawam.model import LaWAMObjective

SMALL = {
    "lawm.encoder.random": True,
    "lawm.encoder.image_size": 32,
    "lawm.encoder.widths": "8,8,8",
    "lawm.encoder.blocks": "0,0,1",
    "lawm.encoder.dim": 16,
    "lawm.dim": 32,
    "lawm.hidden": 64,
    "lawm.enc_layers": 2,
    "lawm.dec_layers": 2,
    "lawm.latent_dim": 8,
    "lawm.aux_hidden": 8,
    "backbone.dim": 32,
    "backbone.layers": 2,
    "backbone.hidden": 64,
    "backbone.merge": "1",
    "backbone.buckets": 32,
    "expert.dim": 32,
    "expert.layers": 4,
    "expert.hidden": 64,
}
"""The tiny preset, smaller: sizes only, every switch as it is there."""


def small_config(**changes: Any) -> LaWAMConfig:
    """The tiny preset at a size for tests; keys of groups with two underscores for the dot."""
    values = {key.replace("__", "."): value for key, value in changes.items()}
    return LaWAMConfig.tiny().with_overrides(SMALL | values)


def small_objective(seed: int = 0, **changes: Any) -> LaWAMObjective:
    """An objective with a random stage 1, its modulations opened so that z has an effect."""
    config = small_config(**changes)
    torch.manual_seed(seed)
    objective = LaWAMObjective(config)
    stage_one = LaWM(config.lawm)
    opened(stage_one)
    objective.load_lawm(config.lawm, stage_one.state_dict())
    opened(objective)
    return objective


def opened(module: torch.nn.Module) -> None:
    """Gives zero-initialised modulations random weights, as training would."""
    for name, parameter in module.named_parameters():
        if "modulation" in name and parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.1)


def make_batch(size: int = 3, steps: int = 16, seed: int = 0) -> dict[str, Any]:
    """A training batch of 32-pixel images, two cameras, seven actions."""
    generator = torch.Generator().manual_seed(seed)

    def pictures(*shape: int) -> torch.Tensor:
        return torch.randint(0, 256, (*shape, 32, 32, 3), dtype=torch.uint8, generator=generator)

    texts = ["open the drawer", "put the red mug on the left plate", "turn on the stove"]
    return {
        "images": pictures(size, 2),
        "future_image": pictures(size),
        "state": torch.randn(size, 8, generator=generator),
        "future_state": torch.randn(size, 8, generator=generator),
        "actions": torch.rand(size, steps, 7, generator=generator) * 2 - 1,
        "action_mask": torch.ones(size, steps, dtype=torch.bool),
        "steps": torch.full((size,), steps),
        "control_hz": torch.full((size,), 20.0),
        "embodiment": torch.ones(size, dtype=torch.long),
        "instruction": [texts[i % 3] for i in range(size)],
    }


def seeded(seed: int = 0) -> torch.Generator:
    """A fresh generator."""
    return torch.Generator().manual_seed(seed)


def total_gradient(module: torch.nn.Module) -> float:
    """Sum of absolute gradients over a module; 0 where there are none."""
    return sum(p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None)
