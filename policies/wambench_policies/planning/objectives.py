"""How far what is imagined is from a subgoal; less is better.

The paper's distance is an l2 over embeddings. Its values of 24 to 28 are those of the mean over
tokens of the l2 norm of layer-normalised tokens (facts A.4), which is `l2` here, and what `delta_f`
and `delta_f_g` are measured in whatever a planner is guided by.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from wambench.errors import UsageError
from wambench_policies.nn.adaln import plain_norm

Objective = Callable[[Tensor, Tensor], Tensor]
"""Tokens (..., N, D) and those of a subgoal (..., N, D), broadcast, to distances (...)."""


def l2(tokens: Tensor, goal: Tensor) -> Tensor:
    """Mean over tokens of the l2 distance of layer-normalised tokens."""
    return (_normed(tokens) - _normed(goal)).norm(dim=-1).mean(dim=-1)


def l1(tokens: Tensor, goal: Tensor) -> Tensor:
    """Mean absolute difference of layer-normalised tokens."""
    return (_normed(tokens) - _normed(goal)).abs().mean(dim=(-1, -2))


def cosine(tokens: Tensor, goal: Tensor) -> Tensor:
    """Mean over tokens of 1 minus the cosine."""
    return 1 - F.cosine_similarity(_normed(tokens), _normed(goal), dim=-1).mean(dim=-1)


def worst(tokens: Tensor, goal: Tensor) -> Tensor:
    """The l2 distance at the tenth of the tokens that are farthest off: a picture of which most is
    background has few tokens that tell."""
    distance = (_normed(tokens) - _normed(goal)).norm(dim=-1)
    count = max(distance.shape[-1] // 10, 1)
    return distance.topk(count, dim=-1).values.mean(dim=-1)


def _normed(tokens: Tensor) -> Tensor:
    return plain_norm(tokens.float())


OBJECTIVES: dict[str, Objective] = {"l2": l2, "l1": l1, "cosine": cosine, "worst": worst}
"""By the name that `objective` takes."""


def find_objective(name: str) -> Objective:
    """The objective of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in OBJECTIVES:
        raise UsageError(f"There is no objective {name!r}.", f"Use {', '.join(OBJECTIVES)}.")
    return OBJECTIVES[name]


def ranked(scores: Tensor) -> Tensor:
    """(K,) indices from the best on; of equals, the first one first."""
    return torch.argsort(scores, stable=True)
