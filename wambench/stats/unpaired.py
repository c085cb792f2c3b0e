"""Two policies on different episodes of the same tasks."""

from __future__ import annotations

import math

from wambench.stats.intervals import wilson_interval

EXACT_TABLES = 300_000
"""Largest product of the two numbers of trials for which the test is exact: its time grows with it
(seconds here, minutes at 4500 trials each). Beyond, the limit for large samples takes over."""


def barnard_test(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Two-sided p-value of Barnard's unconditional exact test of equal success rates.

    More powerful than Fisher's, which holds the number of successes fixed although nothing fixes
    it (Barnard 1945). Takes trials within a policy as alike; where tasks differ, it errs on the
    safe side. Its statistic is the pooled z-score, whose normal limit is used for samples too
    large for the exact test.

    Args:
        a: Successes and trials of a.
        b: Successes and trials of b.
    """
    from scipy.stats import barnard_exact

    solved, trials = a[0] + b[0], a[1] + b[1]
    if solved in (0, trials):  # all alike: nothing speaks for a difference
        return 1.0
    if a[1] * b[1] > EXACT_TABLES:
        rate = solved / trials
        deviation = math.sqrt(rate * (1 - rate) * (1 / a[1] + 1 / b[1]))
        return math.erfc(abs(b[0] / b[1] - a[0] / a[1]) / deviation / math.sqrt(2))
    table = [[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]
    return min(float(barnard_exact(table, alternative="two-sided").pvalue), 1.0)


def newcombe_interval(
    a: tuple[int, int], b: tuple[int, int], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of rate(b) - rate(a) of independent samples, from their Wilson intervals.

    Newcombe 1998, method 10. Takes trials within a policy as alike, which is safe where tasks
    differ.

    Args:
        a: Successes and trials of a, at least one trial.
        b: Successes and trials of b, at least one trial.
        confidence: Coverage of the two-sided interval.
    """
    rate_a, rate_b = a[0] / a[1], b[0] / b[1]
    low_a, high_a = wilson_interval(*a, confidence)
    low_b, high_b = wilson_interval(*b, confidence)
    difference = rate_b - rate_a
    return (
        difference - math.hypot(rate_b - low_b, high_a - rate_a),
        difference + math.hypot(high_b - rate_b, rate_a - low_a),
    )
