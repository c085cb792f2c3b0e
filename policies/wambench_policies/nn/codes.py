"""Sinusoidal codes of positions, of flow time, and of physical time.

All have the same form: all sines, then all cosines, of the position times a geometric series of
frequencies from 1 down to 1 / max_period. Nothing here is learned.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wambench.errors import UsageError

MAX_PERIOD = 10_000.0
"""P_max of Eq. 7 (released code)."""


def sinusoidal(position: Tensor, dim: int, max_period: float = MAX_PERIOD) -> Tensor:
    """Code of real positions, Eq. 7 of LaWAM.

    φ(t) = [sin(t ω_0) … sin(t ω_{K-1}), cos(t ω_0) … cos(t ω_{K-1})] with K = dim / 2 and
    ω_k = exp(-ln(max_period) · k / max(K - 1, 1)).

    Args:
        position: (...) any real number; computed in float32.
        dim: Even width of the code. (Eq. 7 rounds K up and the released code down; the two agree
            on even widths, which are the only ones accepted.)
        max_period: 1 / the lowest frequency.

    Returns:
        (..., dim) float32.
    """
    if dim % 2:
        raise UsageError(f"A sinusoidal code needs an even width, got {dim}.")
    count = dim // 2
    exponent = torch.arange(count, device=position.device, dtype=torch.float32)
    frequency = torch.exp(-math.log(max_period) * exponent / max(count - 1, 1))
    angle = position.float().unsqueeze(-1) * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def physical_time(steps: int, control_hz: Tensor, dim: int, unit: float = 1.0) -> Tensor:
    """Code of the moments at which the actions of a chunk are executed.

    Action i of sample b is executed at t = i / control_hz[b] seconds (Eq. 7), so actions that
    happen at the same moment have the same code whatever the control frequency.

    Args:
        steps: Actions K of a chunk.
        control_hz: (B,) control frequencies in Hz.
        dim: Width of the code.
        unit: Seconds that count as 1; the paper's is 1 s.

    Returns:
        (B, K, dim) float32.
    """
    index = torch.arange(steps, device=control_hz.device, dtype=torch.float32)
    seconds = index / control_hz.float().unsqueeze(-1)
    return sinusoidal(seconds / unit, dim)


def grid_2d(height: int, width: int, dim: int, device: torch.device | None = None) -> Tensor:
    """Code (height · width, dim) of a grid's cells in row-major order: half for h, half for w."""
    rows = sinusoidal(torch.arange(height, device=device), dim // 2)
    columns = sinusoidal(torch.arange(width, device=device), dim - dim // 2)
    return torch.cat(
        [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=-1
    ).flatten(0, 1)


def grid_3d(
    frames: int, height: int, width: int, dim: int, device: torch.device | None = None
) -> Tensor:
    """Code (frames · height · width, dim): half for time, a quarter each for h and w.

    The split of LaWAM's released inverse-dynamics encoder.
    """
    times = sinusoidal(torch.arange(frames, device=device), dim // 2)
    cells = grid_2d(height, width, dim - dim // 2, device)
    return torch.cat(
        [
            times[:, None].expand(-1, len(cells), -1),
            cells[None].expand(frames, -1, -1),
        ],
        dim=-1,
    ).flatten(0, 1)
