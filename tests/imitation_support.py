"""Small imitation baselines."""

from __future__ import annotations

from typing import Any

import torch

from lawam_support import SMALL, opened
from wambench_policies.imitation.act import ACTObjective
from wambench_policies.imitation.config import ACTConfig, FlowBCConfig
from wambench_policies.imitation.flow_bc import FlowBCObjective

_SHARED = {
    key.removeprefix("lawm."): value
    for key, value in SMALL.items()
    if key.startswith(("lawm.encoder.", "backbone."))
}
_EXPERT = {key: value for key, value in SMALL.items() if key.startswith("expert.")}
_DECODER = {"decoder.dim": 32, "decoder.layers": 2, "decoder.hidden": 64, "decoder.latent_dim": 4}


def small_flow_bc(**changes: Any) -> FlowBCObjective:
    """The tiny preset at a size for tests, its modulations opened."""
    config = FlowBCConfig.tiny().with_overrides(_SHARED | _EXPERT | _dotted(changes))
    torch.manual_seed(0)
    objective = FlowBCObjective(config)
    opened(objective)
    return objective


def small_act(**changes: Any) -> ACTObjective:
    """The tiny preset at a size for tests."""
    config = ACTConfig.tiny().with_overrides(_SHARED | _DECODER | _dotted(changes))
    torch.manual_seed(0)
    return ACTObjective(config)


def _dotted(changes: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): value for key, value in changes.items()}
