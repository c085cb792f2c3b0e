"""Confidence intervals of a success rate.

A suite's rate can be meant in two ways, and the two have different intervals:

    - Of *these tasks*: the suite is what it is, and only the trials within each task are a sample.
      `stratified_wilson_interval`. This is what wambench shows unless it says otherwise, because
      a benchmark is a fixed list of tasks.
    - Of *tasks like these*: the tasks themselves are a sample of what the robot may be asked.
      `wambench.stats.bootstrap.task_bootstrap_interval`. Wider, often several times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

FIXED_TASKS = "these tasks: Wilson score interval with the variance within tasks"
SAMPLED_TASKS = "tasks like these: task-clustered bootstrap"


def critical_value(confidence: float) -> float:
    """Standard normal quantile z of a two-sided interval.

    Args:
        confidence: Coverage, between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"A confidence of {confidence} is not between 0 and 1.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


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
    low, high = _wilson(successes / trials, trials, critical_value(confidence))
    # The bounds at 0 and n successes are exactly 0 and 1; rounding may miss them by 1e-17.
    return 0.0 if successes == 0 else low, 1.0 if successes == trials else high


def stratified_wilson_interval(
    successes: Sequence[int], trials: Sequence[int], confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a suite's success rate, its tasks taken as given.

    The rate is the sum of successes over the sum of trials; with equal trials per task, as every
    manifest has, that is the mean of the tasks' rates. Its variance is the one within tasks alone,
    which is smaller than that of the same successes thrown together when tasks differ. The Wilson
    interval is taken with as many trials as would have that variance (an effective sample size,
    as for proportions from stratified surveys: Korn and Graubard 1998; Dean and Pagano 2015).

    Two details keep it honest where a bootstrap within tasks would give [100, 100]. Every task's
    variance is computed after adding z²/2 successes and failures, spread over all tasks (Agresti
    and Coull 1998), so that it is never zero; and where the data cannot show that tasks differ
    (all successes, equal tasks, one trial per task) the interval is that of the pooled counts.

    Args:
        successes: Per task.
        trials: Per task; tasks without trials are left out.
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bound of the rate.
    """
    counts = [(s, n) for s, n in zip(successes, trials, strict=True) if n]
    if any(not 0 <= s <= n for s, n in counts):
        raise ValueError(f"{list(successes)} successes of {list(trials)} trials are not possible.")
    total = sum(n for _, n in counts)
    solved = sum(s for s, _ in counts)
    if total == 0 or solved in (0, total):
        return wilson_interval(solved, total, confidence)
    z = critical_value(confidence)
    extra = z * z / len(counts)
    within = across = 0.0
    for s, n in counts:
        if n == 1:  # one trial says nothing about the variance within its task
            return wilson_interval(solved, total, confidence)
        rate = (s + extra / 2) / (n + extra)
        within += n / total * rate * (1 - rate) * n / (n - 1)
        across += n / total * rate
    effect = min(within / (across * (1 - across)), 1.0)
    return _wilson(solved / total, total / effect, z)


def _wilson(rate: float, trials: float, z: float) -> tuple[float, float]:
    """The score interval for a number of trials that need not be whole."""
    denominator = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / denominator
    half = z / denominator * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def interval_over_runs(rates: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean over independent runs, for example over run seeds.

    It measures what changes from run to run; two runs give a very wide one, as they should.

    Args:
        rates: One estimate per run, at least two.
        confidence: Coverage of the two-sided interval.

    Returns:
        Lower and upper bound of the mean, not cut to any range.
    """
    from scipy.special import stdtrit

    if len(rates) < 2:
        raise ValueError("An interval over runs needs at least two.")
    count = len(rates)
    mean = math.fsum(rates) / count
    spread = math.sqrt(math.fsum((rate - mean) ** 2 for rate in rates) / (count - 1))
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * spread / math.sqrt(count)
    return mean - half, mean + half
