"""Where a network runs."""

from __future__ import annotations

import torch


def chosen_device(device: str) -> torch.device:
    """`auto` as the accelerator where there is one."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
