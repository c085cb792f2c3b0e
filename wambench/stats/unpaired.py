"""Two policies on different episodes of the same tasks."""

from __future__ import annotations

import math

from wambench.stats.intervals import wilson_interval

EXACT_TABLES = 300_000
"""Largest product of the two numbers of trials for which the test is exact: its time and
memory grow with it (about a second here). Beyond, the limit for large samples takes over."""

_RATES = 2048
"""Common rates at which the probability is computed, evenly spaced in the arcsine of their root, in
which a binomial proportion has the same spread everywhere: the largest is right to 4 digits."""

_TIE = 1e-9
"""Statistics that differ by less are equal: rounding must not decide which tables are as extreme as
the observed one; of two samples of one size, its mirror image is."""


def barnard_test(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Two-sided p-value of Barnard's unconditional exact test of equal success rates.

    More powerful than Fisher's, which holds the number of successes fixed although nothing fixes
    it (Barnard 1945). Takes trials within a policy as alike; where tasks differ, it errs on the
    safe side. Its statistic is the pooled z-score, whose normal limit is used for samples too
    large for the exact test. The largest probability over all common rates is looked for on a
    grid; that of `scipy.stats.barnard_exact` is found by an optimiser that sometimes stops short
    of it, and so finds p-values that are too small.

    Args:
        a: Successes and trials of a.
        b: Successes and trials of b.
    """
    solved, trials = a[0] + b[0], a[1] + b[1]
    if solved in (0, trials):  # all alike: nothing speaks for a difference
        return 1.0
    if a[1] * b[1] > EXACT_TABLES:
        rate = solved / trials
        deviation = math.sqrt(rate * (1 - rate) * (1 / a[1] + 1 / b[1]))
        return math.erfc(abs(b[0] / b[1] - a[0] / a[1]) / deviation / math.sqrt(2))
    if a[1] > b[1]:  # the sum below runs over the smaller sample
        a, b = b, a
    return _largest_probability(a, b)


def _largest_probability(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Probability of a table as extreme as the observed one, at the common rate that makes it most.

    Tables of a row (successes of a) that are as extreme lie in two tails of the successes of b.
    """
    import numpy as np
    from scipy.special import bdtr, bdtrc, gammaln, xlog1py, xlogy

    row = np.arange(a[1] + 1)[:, None]
    column = np.arange(b[1] + 1)
    pooled = (row + column) / (a[1] + b[1])
    variance = pooled * (1 - pooled) * (1 / a[1] + 1 / b[1])
    deviation = np.sqrt(np.where(variance > 0, variance, 1))
    score = (column / b[1] - row / a[1]) / deviation
    observed = abs(float(score[a[0], b[0]])) - _TIE
    # The score rises with the successes of b: how many are in the lower tail, and up to the upper.
    lower = (score <= -observed).sum(axis=1)[:, None]
    upper = (score < observed).sum(axis=1)[:, None]
    rates = np.sin(np.linspace(0, math.pi / 2, _RATES + 2)[1:-1]) ** 2
    choose = gammaln(a[1] + 1) - gammaln(row + 1) - gammaln(a[1] - row + 1)
    largest = 0.0
    for part in np.array_split(rates, 16):
        chance = np.exp(choose + xlogy(row, part) + xlog1py(a[1] - row, -part))
        below = np.where(lower > 0, bdtr(np.maximum(lower - 1, 0), b[1], part), 0.0)
        above = np.where(upper <= b[1], bdtrc(upper - 1, b[1], part), 0.0)
        largest = max(largest, float((chance * (below + above)).sum(axis=0).max()))
    return min(largest, 1.0)


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
