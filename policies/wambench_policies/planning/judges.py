"""Imagine and score: what each candidate would lead to, and how good that is.

ModelJudge    a world model imagines, an objective scores
OracleJudge   the simulator itself imagines, the same objective scores (`oracle.py`)
CostJudge     an object with stable-worldmodel's `get_cost` does both
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.errors import PolicyContractError, UsageError
from wambench.protocol import Observation
from wambench_policies.planning.features import Features
from wambench_policies.planning.objectives import Objective
from wambench_policies.planning.protocol import Costable, WorldModel


@dataclass(frozen=True)
class Moment:
    """Where a plan begins and what it is to reach.

    Attributes:
        seen: The observation.
        picture: (H, W, 3) what the planner's camera shows.
        goal_picture: (H, W, 3) the subgoal.
        start: (N, D) tokens of the picture as the encoder gives them.
        goal: (N, D) layer-normalised tokens of the subgoal.
    """

    seen: Observation
    picture: NDArray[np.uint8]
    goal_picture: NDArray[np.uint8]
    start: Tensor
    goal: Tensor


@dataclass(frozen=True)
class Judgement:
    """What was imagined of one moment's candidates.

    Attributes:
        scores: (K,) less is better.
        tokens: (K, N, D) what is to be seen at the end; None where only a cost is known.
        calls: Times that the model was asked.
    """

    scores: Tensor
    tokens: Tensor | None
    calls: int


class Judge(Protocol):
    """Imagines and scores.

    Attributes:
        chunk: Sequences must be a multiple of so many actions.
        privileged: Whether it needs the simulator.
    """

    chunk: int
    privileged: bool

    def judge(
        self, moments: Sequence[Moment], actions: Sequence[NDArray[np.float32]]
    ) -> list[Judgement]:
        """Judges the candidates (K, P, A) of each moment; K and P are those of the first."""
        ...


class ModelJudge:
    """A world model imagines, an objective scores.

    All candidates of all moments go through the model together, `at_once` at most.

    Args:
        model: The world model.
        objective: What scores.
        device: Where the model is.
        at_once: Candidates per call of the model.

    Raises:
        UsageError: `at_once` is no number of candidates.
    """

    privileged = False

    def __init__(
        self, model: WorldModel, objective: Objective, device: torch.device, at_once: int = 64
    ) -> None:
        if at_once < 1:
            raise UsageError(f"at_once={at_once} candidates cannot be imagined.", "Use 1 or more.")
        self.chunk = model.chunk
        self._model = model
        self._objective = objective
        self._device = device
        self._at_once = at_once

    @torch.no_grad()
    def judge(
        self, moments: Sequence[Moment], actions: Sequence[NDArray[np.float32]]
    ) -> list[Judgement]:
        """See `Judge`."""
        starts = torch.stack([moment.start for moment in moments])
        proposed = torch.from_numpy(np.stack(actions)).to(self._device)
        count = proposed.shape[1]
        group = max(self._at_once // len(moments), 1)
        ends, scores, calls = [], [], 0
        goals = torch.stack([moment.goal for moment in moments]).unsqueeze(1)
        for part in proposed.split(group, dim=1):
            rolled = self._model.rollout(starts, part)
            shape = (*part.shape[:2], part.shape[2] // self.chunk, *starts.shape[1:])
            if tuple(rolled.shape) != shape:
                raise PolicyContractError(
                    f"rollout() returned {tuple(rolled.shape)}, expected {shape}.",
                    "It must return tokens (B, K, P // chunk, N, D).",
                )
            ends.append(rolled[:, :, -1])
            scores.append(self._objective(rolled[:, :, -1], goals))
            calls += 1
        tokens, marks = torch.cat(ends, dim=1), torch.cat(scores, dim=1)
        assert tokens.shape[1] == count
        return [Judgement(marks[b], tokens[b], calls) for b in range(len(moments))]


class CostJudge:
    """An object with stable-worldmodel's `get_cost` imagines and scores.

    It is given, with a leading (1, S) for one moment and S candidates: `pixels` and `goal`
    (1, S, 1, 3, H, W) in [0, 1], `proprio` (1, S, 1, state), and `action` (1, S, 1, A), zeros.

    Args:
        model: The object.
        device: Where it is.
        image_size: Side of its pictures; None as they are rendered.
    """

    privileged = False

    def __init__(self, model: Costable, device: torch.device, image_size: int | None) -> None:
        self.chunk = int(getattr(model, "action_block", 1))
        self._model = model
        self._device = device
        self._size = image_size

    @torch.no_grad()
    def judge(
        self, moments: Sequence[Moment], actions: Sequence[NDArray[np.float32]]
    ) -> list[Judgement]:
        """See `Judge`; moments are judged one by one."""
        return [self._judge(m, a) for m, a in zip(moments, actions, strict=True)]

    def _judge(self, moment: Moment, actions: NDArray[np.float32]) -> Judgement:
        count, length, width = actions.shape
        proposed = torch.from_numpy(actions).to(self._device)
        blocks = proposed.reshape(1, count, length // self.chunk, self.chunk * width)
        info: dict[str, Any] = {
            "pixels": self._picture(moment.picture, count),
            "goal": self._picture(moment.goal_picture, count),
            "proprio": torch.from_numpy(moment.seen.agent_pos)
            .to(self._device)
            .expand(1, count, 1, -1),
            "action": torch.zeros(1, count, 1, blocks.shape[-1], device=self._device),
        }
        costs = self._model.get_cost(info, blocks)
        if tuple(costs.shape) != (1, count):
            raise PolicyContractError(
                f"get_cost() returned {tuple(costs.shape)}, expected {(1, count)}.",
                "It must return one cost per candidate (B, S).",
            )
        return Judgement(costs[0].float(), None, 1)

    def _picture(self, picture: NDArray[np.uint8], count: int) -> Tensor:
        from wambench_policies.data.cache import resize

        if self._size is not None:
            picture = resize(picture, (self._size, self._size))
        tensor = torch.from_numpy(np.array(picture)).to(self._device).movedim(-1, 0) / 255
        return tensor.expand(1, count, 1, *tensor.shape)


class ModelCost:
    """The other way round: a world model and an objective as an object with `get_cost`.

    Args:
        model: The world model.
        features: Its feature space.
        objective: What scores.
    """

    def __init__(self, model: WorldModel, features: Features, objective: Objective) -> None:
        self._model = model
        self._features = features
        self._objective = objective

    @torch.no_grad()
    def get_cost(self, info_dict: dict[str, Any], action_candidates: Tensor) -> Tensor:
        """Costs (B, S).

        Args:
            info_dict: `pixels` and `goal`, (B, S, T, 3, H, W) in [0, 1], alike for all S; the last
                of the T counts.
            action_candidates: (B, S, P, A) in the suite's units.
        """
        pictures = []
        for name in ("pixels", "goal"):
            frames = info_dict[name][:, 0, -1].movedim(1, -1)
            pictures.append((frames * 255).round().to(torch.uint8).cpu().numpy())
        start = self._features.raw(pictures[0])
        goal = self._features(pictures[1])
        ends = self._model.rollout(start, action_candidates)[:, :, -1]
        return self._objective(ends, goal.unsqueeze(1))
