"""Parameter groups of optimisers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

Part = tuple[str, Iterable[nn.Module], float]
"""Name, modules, and factor on the learning rate of one part of a model."""


def parameter_groups(parts: Iterable[Part], weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for every part: matrices, and biases and norms, which are not decayed.

    Parameters that are frozen are in no group.

    Args:
        parts: The parts of the model; no parameter may be in two of them.
        weight_decay: Of the matrices.

    Returns:
        Dicts with `name`, `params`, `lr_scale` and `weight_decay`; empty groups are left out.
    """
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for name, modules, scale in parts:
        decayed, plain = [], []
        for module in modules:
            for key, parameter in module.named_parameters():
                if not parameter.requires_grad:
                    continue
                if id(parameter) in seen:
                    raise AssertionError(f"Parameter {key} of {name} is in two groups.")
                seen.add(id(parameter))
                bias = parameter.dim() <= 1 or key.rpartition(".")[2] == "bias"
                (plain if bias else decayed).append(parameter)
        for suffix, parameters, decay in (("", decayed, weight_decay), ("_plain", plain, 0.0)):
            if parameters:
                groups.append(
                    {
                        "name": name + suffix,
                        "params": parameters,
                        "lr_scale": scale,
                        "weight_decay": decay,
                    }
                )
    return groups
