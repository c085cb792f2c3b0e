"""Intervals when the tasks are a sample: bootstrap over tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
"""Resamples of the tasks. With other seeds, the bounds repeat to about half a percentage point for
30 tasks, and to one or two for 10."""

SEED = 0
"""Seed of the resampling: the same records give the same bounds."""

MIN_TASKS = 5
"""Fewer tasks give no interval: even from the lowest to the highest of four rates would hold the
middle of their distribution in only 7 of 8 cases (1 - 2 / 2^4)."""


def task_bootstrap_interval(
    totals: Sequence[int],
    trials: Sequence[int],
    confidence: float = 0.95,
    *,
    at_least: tuple[float, float],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """Interval of a rate, or of a difference of rates, over tasks like these.

    Whole tasks are drawn with replacement, each with all its trials; drawing trials again within
    them would count their variance twice (Davison and Hinkley 1997, section 3.8). The percentiles
    are taken further out than the nominal ones, as far as Student's t lies outside the normal
    distribution, because percentiles of a bootstrap over few tasks are too narrow (the expanded
    percentile interval; Hesterberg 2015, section 4.3).

    A bootstrap cannot see what no task shows. Where all tasks have the same rate, all solved for
    example, it would give an interval of width zero; they say nothing about how tasks differ, and
    there is none. And as a sample of tasks is never more certain than the same tasks taken as
    given, the result is widened to hold the interval for that, `at_least`. It stays optimistic
    when few tasks were tried and nearly all have the same rate: the task that would fail was not
    among them.

    Args:
        totals: Per task, the sum of what is averaged: successes, or wins minus losses.
        trials: Per task; tasks without trials are left out.
        confidence: Coverage of the two-sided interval.
        at_least: The interval that takes the tasks as given.
        resamples: How often the tasks are drawn.
        seed: Seed of the draws.

    Returns:
        Lower and upper bound; None for fewer than `MIN_TASKS` tasks, and where all have the same
        rate.
    """
    from scipy.special import ndtr, stdtrit

    used = np.array([(t, n) for t, n in zip(totals, trials, strict=True) if n], float)
    if len(used) < MIN_TASKS or np.ptp(used[:, 0] / used[:, 1]) == 0:
        return None
    count = len(used)
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    sums = used[draws].sum(axis=1)
    beyond = np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - confidence) / 2)
    tail = float(ndtr(beyond))
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [tail, 1 - tail])
    return min(float(low), at_least[0]), max(float(high), at_least[1])
