"""Deciding which of two policies is better as soon as the pairs seen so far allow it.

Looking at a p-value after every episode and stopping at the first one below 5 % finds a difference
between equal policies far more often than in 5 % of all cases. Here the interval is one that holds
at every look at once, a confidence sequence, so one may look as often as one likes and stop
whenever one likes (Ville 1939; Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021).

The evidence against "b is better than a by at most d0" is the wealth of somebody who bets on b.
Write X for a pair: +1 where only b succeeds, -1 where only a does, 0 otherwise. A player who stakes
a share c of what can be lost multiplies the wealth by 1 + c (X - d0) / (1 + d0) with each pair.
Wealth starts at 1 and is averaged over players with shares between 0 and 1. For d0 = 0 only
discordant pairs count, and the average is the beta-binomial mixture of the sequential McNemar
test: the integral of 2^(w+l) t^w (1-t)^l over t from 1/2 to 1, for w wins and l losses. For other
d0 it is betting on a bounded mean (Waudby-Smith and Ramdas 2023).

Why it is valid although tasks differ: looks happen after complete rounds, one pair of every task.
If d_t is the difference on task t, a player's wealth grows in a round by the expected factor
prod_t (1 + c (d_t - d0) / (1 + d0)), which is at most (1 + c (mean d_t - d0) / (1 + d0))^T by the
inequality of arithmetic and geometric means, hence at most 1 when the suite's difference is at most
d0. So the wealth is a supermartingale over rounds for the difference *averaged over the suite*,
even where b is better on some tasks and worse on others; and by Ville's inequality it ever reaches
1/q with probability q at most. What is assumed: the trials of a task are independent, given the
task; and every round has every task, so that infeasible episodes are as good as absent.

The sequence is the set of d0 against which the evidence, on either side, is below 2 / alpha. Any
decision read from it is wrong with probability alpha at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from wambench.stats.paired import Pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["b better", "a better", "no difference above the margin", "undecided"]

METHOD = "paired betting confidence sequence (beta-binomial mixture), looked at after every round"

_PLAYERS = 200
"""Shares c are the midpoints of so many equal parts of (0, 1). Any number is exactly valid."""


@cache
def _shares() -> NDArray[np.float64]:
    """(P,) share of each player."""
    import numpy as np

    return (np.arange(_PLAYERS) + 0.5) / _PLAYERS


def log_evidence(wins: int, losses: int, ties: int, null: float = 0.0) -> float:
    """Logarithm of the evidence that b is better than a by more than `null`.

    Under the hypothesis that it is not, the evidence ever exceeds 1/q with probability q at most.

    Args:
        wins: Pairs in which only b succeeded.
        losses: Pairs in which only a succeeded.
        ties: All other pairs.
        null: The difference d0, above -1 and below 1.
    """
    import numpy as np

    shares = _shares()
    wealth = (
        wins * np.log1p(shares * (1 - null) / (1 + null))
        + losses * np.log1p(-shares)
        + ties * np.log1p(-shares * null / (1 + null))
    )
    top = float(wealth.max())
    return top + math.log(float(np.exp(wealth - top).mean()))


def confidence_sequence(pairs: Pairs, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of rate(b) - rate(a) that holds at all looks at once.

    Args:
        pairs: All pairs of the rounds seen so far.
        confidence: Probability that the intervals of all looks hold the difference.
    """
    threshold = math.log(2 / (1 - confidence))
    ties = pairs.both + pairs.neither
    low = _lowest(pairs.b_only, pairs.a_only, ties, threshold)
    high = -_lowest(pairs.a_only, pairs.b_only, ties, threshold)
    return low, high


def _lowest(wins: int, losses: int, ties: int, threshold: float) -> float:
    """The d0 at which the evidence falls below the threshold; it falls as d0 rises."""
    low, high = -1.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if log_evidence(wins, losses, ties, middle) >= threshold:
            low = middle
        else:
            high = middle
    return low  # on the side of the wider interval


@dataclass(frozen=True, slots=True)
class Decision:
    """What the pairs of the first rounds say.

    Attributes:
        verdict: `b better`, `a better`, `no difference above the margin`, or `undecided`.
        rounds: Complete rounds looked at; where decided, the first at which it was.
        planned_rounds: Rounds in the manifest.
        pairs: Outcomes of the pairs in those rounds.
        interval: Confidence sequence of rate(b) - rate(a) at that look.
        confidence: Its level; the verdict is wrong with probability 1 - confidence at most.
        margin: Differences up to this do not matter; None where none was given.
    """

    verdict: Verdict
    rounds: int
    planned_rounds: int
    pairs: Pairs
    interval: tuple[float, float]
    confidence: float
    margin: float | None

    @property
    def decided(self) -> bool:
        """Whether the comparison has come to an end."""
        return self.verdict != "undecided"

    def to_json(self) -> dict[str, Any]:
        """The decision as plain JSON types."""
        low, high = self.interval
        return {
            "verdict": self.verdict,
            "method": METHOD,
            "confidence": self.confidence,
            "margin": self.margin,
            "rounds": self.rounds,
            "planned_rounds": self.planned_rounds,
            "pairs": {
                "both": self.pairs.both,
                "a_only": self.pairs.a_only,
                "b_only": self.pairs.b_only,
                "neither": self.pairs.neither,
            },
            "difference": self.pairs.difference if self.pairs.number else None,
            "interval": {"low": low, "high": high},
        }


def decide(
    rounds: Iterable[Pairs],
    planned_rounds: int,
    confidence: float = 0.95,
    margin: float | None = None,
) -> Decision:
    """Looks after every complete round and stops at the first that decides.

    Args:
        rounds: Pairs of each complete round, in the order fixed before the run.
        planned_rounds: Rounds in the manifest.
        confidence: 1 - alpha.
        margin: When given, the comparison also ends where the difference is surely smaller.
    """
    pairs = Pairs()
    verdict: Verdict = "undecided"
    seen = 0
    for outcome in rounds:
        seen += 1
        pairs += outcome
        verdict = _verdict(pairs, confidence, margin)
        if verdict != "undecided":
            break
    interval = confidence_sequence(pairs, confidence)
    return Decision(verdict, seen, planned_rounds, pairs, interval, confidence, margin)


def _verdict(pairs: Pairs, confidence: float, margin: float | None) -> Verdict:
    """What the confidence sequence at this look says, without computing its bounds."""
    a, b, ties = pairs.a_only, pairs.b_only, pairs.both + pairs.neither
    threshold = math.log(2 / (1 - confidence))
    if log_evidence(b, a, ties) >= threshold:
        return "b better"
    if log_evidence(a, b, ties) >= threshold:
        return "a better"
    if margin is not None and all(
        log_evidence(*pair, ties, -margin) >= threshold for pair in ((a, b), (b, a))
    ):
        return "no difference above the margin"
    return "undecided"
