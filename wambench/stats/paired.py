"""Two policies on the same episodes.

Every episode is a pair of outcomes. Pairs in which both succeed or both fail say nothing about
which policy is better; the discordant ones say all (McNemar 1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wambench.stats.intervals import critical_value


@dataclass(frozen=True, slots=True)
class Pairs:
    """Outcomes of the pairs of one task, or of several added up.

    Attributes:
        both: Pairs in which both succeeded.
        a_only: Only a succeeded.
        b_only: Only b succeeded.
        neither: Both failed.
    """

    both: int = 0
    a_only: int = 0
    b_only: int = 0
    neither: int = 0

    @classmethod
    def count(cls, outcomes: Sequence[tuple[bool, bool]]) -> Pairs:
        """Counts pairs (a succeeded, b succeeded)."""
        return cls(
            both=sum(a and b for a, b in outcomes),
            a_only=sum(a and not b for a, b in outcomes),
            b_only=sum(b and not a for a, b in outcomes),
            neither=sum(not a and not b for a, b in outcomes),
        )

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(
            self.both + other.both,
            self.a_only + other.a_only,
            self.b_only + other.b_only,
            self.neither + other.neither,
        )

    @property
    def number(self) -> int:
        """How many pairs there are."""
        return self.both + self.a_only + self.b_only + self.neither

    @property
    def difference(self) -> float:
        """Success rate of b minus that of a."""
        return (self.b_only - self.a_only) / self.number


def mcnemar_exact(pairs: Pairs) -> float:
    """Two-sided p-value of the exact McNemar test.

    Under the hypothesis that neither policy is better on any task, each discordant pair is a fair
    coin, whatever the tasks; the p-value is that of a binomial test on them. Where one policy is
    better on some tasks and worse on others by as much, the coins are less dispersed than fair
    ones (Hoeffding 1956) and the test errs on the safe side.
    """
    from scipy.special import bdtr

    discordant = pairs.a_only + pairs.b_only
    if discordant == 0:
        return 1.0
    fewer = min(pairs.a_only, pairs.b_only)
    return min(2 * float(bdtr(fewer, discordant, 0.5)), 1.0)


def paired_difference_interval(
    tasks: Sequence[Pairs], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of rate(b) - rate(a) from pairs, the tasks taken as given.

    The adjusted Wald interval for paired proportions, which adds one pair to each discordant
    count (Bonett and Price 2012; recommended by Fagerland, Lydersen and Laake 2014), with the
    variance within tasks in place of the pooled one: the added pairs are spread over the tasks,
    and where the data cannot show that tasks differ it is the pooled interval.

    Args:
        tasks: Pairs of each task; tasks without pairs are left out.
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bound, within [-1, 1], the difference itself between them.
    """
    used = [task for task in tasks if task.number]
    if not used:
        return -1.0, 1.0
    pooled = sum(used, Pairs())
    extra = 1 / len(used)
    centre = within = discordant = 0.0
    for task in used:
        number = task.number + 2 * extra
        weight = task.number / pooled.number
        a_only, b_only = (task.a_only + extra) / number, (task.b_only + extra) / number
        centre += weight * (b_only - a_only)
        discordant += weight * (b_only + a_only)
        if task.number == 1:  # one pair says nothing about the variance within its task
            within = math.inf
        else:
            variance = b_only + a_only - (b_only - a_only) ** 2
            within += weight * variance * task.number / (task.number - 1)
    variance = min(within, discordant - centre**2) / (pooled.number + 2)
    half = critical_value(confidence) * math.sqrt(variance)
    low, high = centre - half, centre + half
    return max(min(low, pooled.difference), -1.0), min(max(high, pooled.difference), 1.0)
