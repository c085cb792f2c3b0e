"""Two policies on different episodes of the same tasks."""

from __future__ import annotations

import math

from wambench.stats.intervals import wilson_interval


def barnard_exact(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Two-sided p-value of Barnard's unconditional exact test of equal success rates.

    More powerful than Fisher's, which holds the number of successes fixed although nothing fixes
    it (Barnard 1945). Takes trials within a policy as alike; where tasks differ, it errs on the
    safe side.

    Args:
        a: Successes and trials of a.
        b: Successes and trials of b.
    """
    from scipy.stats import barnard_exact as scipy_barnard

    solved = a[0] + b[0]
    if solved in (0, a[1] + b[1]):  # all alike: nothing speaks for a difference
        return 1.0
    table = [[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]
    return min(float(scipy_barnard(table, alternative="two-sided").pvalue), 1.0)


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
