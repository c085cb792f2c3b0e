"""AdamW over the groups that an objective names, and the state that resuming needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wambench.errors import TrainingError
from wambench_policies.training.config import LoopConfig


def build_optimiser(objective: nn.Module, config: LoopConfig) -> torch.optim.AdamW:
    """AdamW over `objective.parameter_groups()`.

    A group has `name`, `params`, `lr_scale` and `weight_decay`. Biases and norms, that is
    parameters of at most one dimension, are not decayed whatever their group says.

    Raises:
        TrainingError: A trainable parameter is in no group or in two, or a frozen one is in one.
    """
    wanted = {id(p): name for name, p in objective.named_parameters() if p.requires_grad}
    seen: set[int] = set()
    groups: list[dict[str, Any]] = []
    for group in objective.parameter_groups():
        parts: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            if id(parameter) in seen or id(parameter) not in wanted:
                problem = (
                    "is in two groups" if id(parameter) in seen else "is frozen or not its own"
                )
                raise TrainingError(
                    f"A parameter of the group {group['name']} of {type(objective).__name__} "
                    f"{problem}.",
                    "Every trainable parameter belongs into exactly one group.",
                )
            seen.add(id(parameter))
            decay = float(group["weight_decay"]) if parameter.dim() > 1 else 0.0
            parts.setdefault(decay, []).append(parameter)
        groups += [
            {
                "name": group["name"],
                "params": parameters,
                "lr_scale": float(group["lr_scale"]),
                "weight_decay": decay,
            }
            for decay, parameters in parts.items()
        ]
    forgotten = [name for key, name in wanted.items() if key not in seen]
    if forgotten:
        raise TrainingError(
            f"{len(forgotten)} trainable parameters of {type(objective).__name__} are in no group, "
            f"for example {forgotten[0]}.",
            "Every trainable parameter belongs into exactly one group.",
        )
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=config.betas, eps=config.epsilon
    )


def set_rate(optimiser: Any, rate: float) -> None:
    """Sets the learning rate of every group: `rate` times the group's scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_scale"]


def state_tensors(optimiser: Any) -> dict[str, Tensor]:
    """The optimiser's state by `parameter index/name`."""
    return {
        f"{index}/{name}": value
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_state(optimiser: Any, tensors: Mapping[str, Tensor]) -> None:
    """Takes over what `state_tensors` gave for an optimiser of the same groups."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
