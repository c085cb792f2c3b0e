"""Propose, imagine, score, select: from a moment and a subgoal to the actions to execute.

Paper (LAC-WM): N sequences of p actions are sampled and rolled out, the k whose ends are nearest to
the subgoal are averaged, and the average is executed (`select=mean`).

Whatever is selected is imagined once more where it was no candidate itself, so that every decision
knows what it expects. `select=checked` takes the average only if that is better than the best
candidate: an average of two ways around an obstacle leads into it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wambench.errors import PolicyContractError, UsageError
from wambench_policies.planning.judges import Judge, Judgement, Moment
from wambench_policies.planning.objectives import ranked
from wambench_policies.planning.sources import Candidates, Source, joined, refined

Select = Literal["mean", "best", "checked"]
STAGES = ("propose", "imagine", "select")
SMOOTH = 5
"""Actions between independent noise of refined candidates: a step of the paper's world models."""


@dataclass(frozen=True)
class Budget:
    """How much is imagined.

    Attributes:
        candidates: N, per round.
        length: p, actions of a candidate.
        top: k, the best candidates, which are averaged.
        rounds: Rounds of the cross-entropy method after the first candidates.
        elites: Candidates that a round is fitted to; a tenth, at least 2, where not given.
    """

    candidates: int
    length: int
    top: int
    rounds: int = 0
    elites: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.top <= self.candidates or self.length < 1 or self.rounds < 0:
            raise UsageError(
                f"candidates={self.candidates}, length={self.length}, top={self.top} and "
                f"refine={self.rounds} make no plan.",
                "Of at least 1 candidate of at least 1 action, at least 1 and at most all are top.",
            )
        if not 2 <= self.fitted <= self.candidates and self.rounds:
            raise UsageError(
                f"elites={self.fitted} of {self.candidates} candidates fit no distribution.",
                "Use at least 2 and at most all.",
            )

    @property
    def fitted(self) -> int:
        """Candidates that a round is fitted to."""
        return max(self.candidates // 10, 2) if self.elites is None else self.elites


@dataclass(frozen=True)
class Plan:
    """A decision, and how it came about.

    Attributes:
        actions: (P, A) to be executed.
        score: What it is expected to score.
        imagined: (N, D) what it is expected to look like; None where only a cost is known.
        candidates: All of them, of all rounds.
        scores: (K,) theirs.
        chosen: (k,) indices of the best, best first.
        milliseconds: By stage, this plan's share of its batch.
        calls: Times that the model was asked.
    """

    actions: NDArray[np.float32]
    score: float
    imagined: Tensor | None
    candidates: Candidates
    scores: NDArray[np.float32]
    chosen: NDArray[np.int64]
    milliseconds: dict[str, float]
    calls: int

    @property
    def digest(self) -> str:
        """SHA-256 over all candidates."""
        return hashlib.sha256(np.ascontiguousarray(self.candidates.actions).tobytes()).hexdigest()


class Planner:
    """See the module docstring.

    Args:
        source: Where candidates come from.
        judge: What imagines and scores.
        budget: How much.
        select: `mean` of the best (paper), the `best`, or the `checked` mean.
        bounds: (A,) lowest and highest actions.

    Raises:
        UsageError: The source or the judge cannot do that.
    """

    def __init__(
        self,
        source: Source,
        judge: Judge,
        budget: Budget,
        select: Select,
        bounds: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> None:
        if select not in get_args(Select):
            raise UsageError(
                f"There is no selection {select!r}.", f"Use {', '.join(get_args(Select))}."
            )
        if budget.length % judge.chunk:
            raise UsageError(
                f"length={budget.length} is no multiple of the {judge.chunk} actions that the "
                "world model imagines at a time.",
                f"Use {max(budget.length // judge.chunk, 1) * judge.chunk}.",
            )
        if source.longest is not None and budget.length > source.longest:
            raise UsageError(
                f"length={budget.length}, and candidates have {source.longest} actions.",
                f"Use at most {source.longest}.",
            )
        self.source, self.judge, self.budget = source, judge, budget
        self._select, self._bounds = select, bounds

    def plan(self, moments: Sequence[Moment]) -> list[Plan]:
        """Decides for several moments; each decision is what it would be alone.

        To the bit where `Judge` computes every moment alone; else up to rounding.
        """
        budget = self.budget
        clock = _Clock(len(moments))
        drafts = [_Draft(budget) for _ in moments]
        proposed = [
            self.source.propose(moment.seen, budget.candidates, budget.length) for moment in moments
        ]
        self._check(proposed)
        clock.lap("propose")
        for number in range(1 + budget.rounds):
            if number:
                proposed = [
                    self._refined(draft, moment, number)
                    for draft, moment in zip(drafts, moments, strict=True)
                ]
                clock.lap("propose")
            judged = self.judge.judge(moments, [each.actions for each in proposed])
            for draft, one, judgement in zip(drafts, proposed, judged, strict=True):
                draft.add(one, judgement)
            clock.lap("imagine")
        means = [
            np.clip(draft.best(budget.top).mean(axis=0), *self._bounds).astype(np.float32)
            for draft in drafts
        ]
        averaged: list[Judgement | None] = [None] * len(moments)
        if self._select != "best" and budget.top > 1:
            clock.lap("select")
            averaged = list(self.judge.judge(moments, [mean[None] for mean in means]))
            clock.lap("imagine")
        plans = [
            self._decided(*parts, clock) for parts in zip(drafts, means, averaged, strict=True)
        ]
        clock.lap("select")
        return plans

    # ---- inside ------------------------------------------------------------------------------

    def _check(self, proposed: Sequence[Candidates]) -> None:
        budget = self.budget
        for each in proposed:
            if each.actions.shape[:2] != (budget.candidates, budget.length):
                raise PolicyContractError(
                    f"The source proposed {each.actions.shape[:2]} actions, expected "
                    f"{(budget.candidates, budget.length)}.",
                    "Check its propose().",
                )

    def _refined(self, draft: _Draft, moment: Moment, number: int) -> Candidates:
        budget = self.budget
        actions = refined(
            draft.best(budget.fitted), budget.candidates, moment.seen.rng, self._bounds, SMOOTH
        )
        return Candidates(actions, (f"refined {number}",) * budget.candidates)

    def _decided(
        self,
        draft: _Draft,
        mean: NDArray[np.float32],
        averaged: Judgement | None,
        clock: _Clock,
    ) -> Plan:
        chosen = draft.order[: self.budget.top]
        actions, score, imagined = draft.best(1)[0], draft.scores[chosen[0]], draft.imagined
        calls = draft.calls
        if averaged is not None:
            calls += averaged.calls
            expected = averaged.scores[0]
            if self._select == "mean" or expected < score:
                actions, score = mean, expected
                imagined = None if averaged.tokens is None else averaged.tokens[0]
        return Plan(
            actions,
            float(score),
            imagined,
            draft.candidates,
            draft.scores.cpu().numpy(),
            chosen.cpu().numpy(),
            clock.milliseconds,
            calls,
        )


class _Draft:
    """What has been imagined so far for one moment."""

    def __init__(self, budget: Budget) -> None:
        self._parts: list[Candidates] = []
        self._scores: list[Tensor] = []
        self.calls = 0
        self.imagined: Tensor | None = None
        """(N, D) of the best candidate so far; those of all would fill an accelerator."""
        self._lowest = float("inf")

    def add(self, candidates: Candidates, judgement: Judgement) -> None:
        """Another round."""
        scores = judgement.scores.float()
        if not bool(torch.isfinite(scores).all()):
            raise PolicyContractError(
                "The world model or its objective gave a score that is not finite.",
                "Check its actions' range and its weights.",
            )
        self._parts.append(candidates)
        self._scores.append(scores)
        self.calls += judgement.calls
        first = ranked(scores)[0]
        if judgement.tokens is not None and float(scores[first]) < self._lowest:
            self.imagined = judgement.tokens[first].clone()
        self._lowest = min(self._lowest, float(scores[first]))

    @property
    def candidates(self) -> Candidates:
        """Of all rounds."""
        return joined(self._parts)

    @property
    def scores(self) -> Tensor:
        """(K,) of all rounds."""
        return torch.cat(self._scores)

    @property
    def order(self) -> Tensor:
        """(K,) indices from the best on."""
        return ranked(self.scores)

    def best(self, count: int) -> NDArray[np.float32]:
        """(count, P, A) the best candidates, best first."""
        return self.candidates.actions[self.order[:count].cpu().numpy()]


class _Clock:
    """Milliseconds by stage, shared by the moments of a batch."""

    def __init__(self, share: int) -> None:
        self.milliseconds = dict.fromkeys(STAGES, 0.0)
        self._share = share
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was spent on that stage."""
        now = time.perf_counter()
        self.milliseconds[stage] += 1000 * (now - self._last) / self._share
        self._last = now
