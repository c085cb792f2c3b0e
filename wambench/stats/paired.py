"""Two policies on the same episodes.

Every episode is a pair of outcomes. Pairs in which both succeed or both fail say nothing about
which policy is better; the discordant ones say all (McNemar 1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def sign_flip_exact(sums: Sequence[int]) -> float:
    """Two-sided p-value of the exact sign-flip test on episodes that several pairs share.

    Where several training seeds ran the same episodes, or one reference stands beside several
    seeds, the pairs of an episode are alike and do not count as so many. Under the hypothesis that
    neither method is better, what an episode says in all is as likely as its opposite; the p-value
    is the share of all choices of signs whose total is as far from zero. Of one pair an episode it
    is McNemar's exact test.

    Args:
        sums: Of every episode, in how many of its pairs only b succeeded, less those of a.
    """
    sizes = [abs(value) for value in sums if value]
    chances = np.ones(1)  # of totals from -reach to reach
    for size in sizes:
        wider = np.zeros(len(chances) + 2 * size)
        wider[2 * size :] += chances / 2
        wider[: len(chances)] += chances / 2
        chances = wider
    reach, total = sum(sizes), abs(sum(sums))
    far = np.abs(np.arange(-reach, reach + 1)) >= total
    return min(float(chances[far].sum()), 1.0)


def paired_difference_interval(
    tasks: Sequence[Pairs], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of rate(b) - rate(a) from pairs, the tasks taken as given.

    See `mean_difference_interval`.

    Args:
        tasks: Pairs of each task; tasks without pairs are left out.
        confidence: Coverage of the two-sided interval.
    """
    return mean_difference_interval(
        [
            [1.0] * task.b_only + [-1.0] * task.a_only + [0.0] * (task.both + task.neither)
            for task in tasks
        ],
        confidence,
    )


def mean_difference_interval(
    tasks: Sequence[Sequence[float]], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean difference of episodes, the tasks taken as given.

    The adjusted Wald interval for paired proportions, which adds one pair to each discordant
    count (Bonett and Price 2012; recommended by Fagerland, Lydersen and Laake 2014), with the
    variance within tasks in place of the pooled one: the added pairs are spread over the tasks,
    and where the data cannot show that tasks differ it is the pooled interval. An episode that
    several pairs share counts once, with their mean.

    Args:
        tasks: Of each task the differences of its episodes, each in [-1, 1]; tasks without
            episodes are left out.
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bound, within [-1, 1], the mean difference itself between them.
    """
    used = [task for task in tasks if task]
    if not used:
        return -1.0, 1.0
    episodes = sum(len(task) for task in used)
    difference = sum(sum(task) for task in used) / episodes
    extra = 1 / len(used)
    centre = within = squares = 0.0
    for task in used:
        number = len(task) + 2 * extra
        weight = len(task) / episodes
        mean = sum(task) / number
        square = (sum(value**2 for value in task) + 2 * extra) / number
        centre += weight * mean
        squares += weight * square
        if len(task) == 1:  # one pair says nothing about the variance within its task
            within = math.inf
        else:
            within += weight * (square - mean**2) * len(task) / (len(task) - 1)
    variance = min(within, squares - centre**2) / (episodes + 2)
    half = critical_value(confidence) * math.sqrt(variance)
    low, high = centre - half, centre + half
    return max(min(low, difference), -1.0), min(max(high, difference), 1.0)
