"""Confidence intervals of a success rate."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a binomial proportion.

    Unlike the normal approximation it stays within [0, 1] and keeps its coverage for the small
    numbers of trials and the rates near 1 that are usual here (Wilson 1927; Brown, Cai and
    DasGupta 2001, section 3.1.1).

    Args:
        successes: Number of successes, 0 to trials.
        trials: Number of trials; 0 gives (0, 1), which says that nothing is known.
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bound of the rate.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials are not possible.")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    denominator = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / denominator
    half = z / denominator * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # The bounds at 0 and n successes are exactly 0 and 1; rounding may miss them by 1e-17.
    low = 0.0 if successes == 0 else max(centre - half, 0.0)
    high = 1.0 if successes == trials else min(centre + half, 1.0)
    return low, high
