"""What a planner keeps of an episode: every decision, and what came of it.

Arrays of `decisions/EPISODE.npz`, for D decisions with K candidates each (all rounds together),
of which k are averaged:

    step, subgoal              (D,) control steps before; index of the subgoal
    scores                     (D, K) of all candidates, less is better
    origins                    (D, K) where each candidate comes from
    candidates_sha256          (D,) over the actions of all candidates
    chosen                     (D, k) indices of the best, best first
    best_actions               (D, k, P, A) their actions
    actions                    (D, P, A) what was to be executed
    expected, achieved         (D,) distance to the subgoal by the planner's objective, imagined
                               for `actions`; by `l2`, what came to pass
    error                      (D,) `l2` between imagined and achieved, NaN without imagined tokens
    imagined_tokens, achieved_tokens, subgoal_tokens
                               (D, N, D') float16, layer-normalised; imagined ones are absent where
                               the world model gives only costs
    milliseconds               (D, 3) propose, imagine, select
    model_calls                (D,)
    features                   name of the feature space
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wambench_policies.nn.adaln import plain_norm
from wambench_policies.planning.meter import SubgoalMeter
from wambench_policies.planning.planner import STAGES, Plan


@dataclass
class Entry:
    """A decision.

    Attributes:
        step: Control steps executed before.
        subgoal: Index of the subgoal.
        goal: (N, D) its tokens.
        plan: What was decided.
        achieved: (N, D) what was seen after it; None as long as it is being executed.
    """

    step: int
    subgoal: int
    goal: Tensor
    plan: Plan
    achieved: Tensor | None = None

    @property
    def distance(self) -> float:
        """`l2` between achieved and subgoal."""
        assert self.achieved is not None
        return SubgoalMeter.distance(self.achieved, self.goal)

    @property
    def error(self) -> float:
        """`l2` between imagined and achieved; NaN where nothing but a cost was imagined."""
        assert self.achieved is not None
        if self.plan.imagined is None:
            return float("nan")
        return SubgoalMeter.distance(self.plan.imagined, self.achieved)


def arrays(entries: list[Entry], features: str) -> dict[str, NDArray[Any]]:
    """An episode's decisions as the module docstring says."""
    plans = [entry.plan for entry in entries]
    kept = {
        "step": np.array([entry.step for entry in entries]),
        "subgoal": np.array([entry.subgoal for entry in entries]),
        "scores": np.stack([plan.scores for plan in plans]),
        "origins": np.array([plan.candidates.origins for plan in plans]),
        "candidates_sha256": np.array([plan.digest for plan in plans]),
        "chosen": np.stack([plan.chosen for plan in plans]),
        "best_actions": np.stack([plan.candidates.actions[plan.chosen] for plan in plans]),
        "actions": np.stack([plan.actions for plan in plans]),
        "expected": np.array([plan.score for plan in plans], np.float32),
        "achieved": np.array([entry.distance for entry in entries], np.float32),
        "error": np.array([entry.error for entry in entries], np.float32),
        "achieved_tokens": _half([entry.achieved for entry in entries]),
        "subgoal_tokens": _half([entry.goal for entry in entries]),
        "milliseconds": np.array([[p.milliseconds[s] for s in STAGES] for p in plans], np.float32),
        "model_calls": np.array([plan.calls for plan in plans]),
        "features": np.array(features),
    }
    if all(plan.imagined is not None for plan in plans):
        kept["imagined_tokens"] = _half([plan.imagined for plan in plans])
    return kept


def _half(tokens: list[Any]) -> NDArray[np.float16]:
    return np.stack([plain_norm(each.float()).cpu().numpy() for each in tokens]).astype(np.float16)
