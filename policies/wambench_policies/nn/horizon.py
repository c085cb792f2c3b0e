"""Chunks of actions that cover a physical horizon at any control frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from wambench.errors import UsageError
from wambench_policies.data.config import horizon_steps


def horizon_mask(control_hz: Tensor, length: int, tau: float, rounding: str) -> Tensor:
    """(B, length) which actions are within the horizon, as bool.

    Args:
        control_hz: (B,) control frequencies in Hz.
        length: Actions that there is room for.
        tau: Horizon τ in seconds.
        rounding: How τ · Hz becomes a number of steps; see `horizon_steps`.

    Raises:
        UsageError: The horizon has more actions than there is room for.
    """
    if control_hz.is_meta:
        return torch.ones(len(control_hz), length, dtype=torch.bool, device=control_hz.device)
    steps = [horizon_steps(tau, hz, rounding) for hz in control_hz.double().tolist()]
    if max(steps) > length:
        raise UsageError(
            f"The horizon of {tau} s has {max(steps)} actions at {control_hz.max().item():g} Hz, "
            f"and there is room for {length}.",
            "Make room for a longer chunk.",
        )
    count = torch.tensor(steps, device=control_hz.device)
    return torch.arange(length, device=control_hz.device) < count[:, None]
