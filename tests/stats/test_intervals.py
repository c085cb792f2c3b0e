"""Intervals of rates: their definitions, and that they hold the truth as often as they say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wambench.stats.bootstrap import task_bootstrap_interval
from wambench.stats.intervals import (
    interval_over_runs,
    stratified_wilson_interval,
    wilson_interval,
)

Counts = tuple[list[int], list[int]]

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
suites: st.SearchStrategy[Counts] = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=12,
).map(lambda pairs: ([s for s, _ in pairs], [n for _, n in pairs]))


# ---- Wilson, one task ------------------------------------------------------------------------


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    reference = stats.binomtest(*count).proportion_ci(confidence, method="wilson")
    assert wilson_interval(*count, confidence) == pytest.approx(tuple(reference), abs=1e-9)


@given(counts)
def test_its_bounds_solve_the_score_equation(count: tuple[int, int]) -> None:
    successes, trials = count
    rate = successes / trials
    for bound in wilson_interval(successes, trials):
        if 0 < bound < 1:
            score = abs(rate - bound) / math.sqrt(bound * (1 - bound) / trials)
            assert score == pytest.approx(1.959964, abs=1e-4)


@given(counts)
def test_it_lies_within_zero_and_one_and_holds_the_rate(count: tuple[int, int]) -> None:
    low, high = wilson_interval(*count)
    assert 0 <= low <= count[0] / count[1] <= high <= 1


def test_nothing_tried_means_nothing_known() -> None:
    assert wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 5)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="not possible"):
        wilson_interval(successes, trials)


# ---- a suite, its tasks taken as given -------------------------------------------------------


@given(suites)
def test_a_suite_s_interval_holds_its_rate_and_is_never_wider_than_the_pooled_one(
    suite: Counts,
) -> None:
    successes, trials = suite
    low, high = stratified_wilson_interval(successes, trials)
    pooled = wilson_interval(sum(successes), sum(trials))
    assert 0 <= low <= sum(successes) / sum(trials) <= high <= 1
    assert high - low <= pooled[1] - pooled[0] + 1e-9


@given(suites)
def test_failures_for_successes_turn_the_interval_round(suite: Counts) -> None:
    successes, trials = suite
    low, high = stratified_wilson_interval(successes, trials)
    turned = stratified_wilson_interval(
        [n - s for s, n in zip(successes, trials, strict=True)], trials
    )
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(counts)
def test_one_task_has_wilson_s_interval(count: tuple[int, int]) -> None:
    interval = stratified_wilson_interval([count[0]], [count[1]])
    assert interval == pytest.approx(wilson_interval(*count), abs=1e-12)


def test_all_successes_leave_the_doubt_that_wilson_leaves() -> None:
    low, high = stratified_wilson_interval([50] * 10, [50] * 10)
    assert (low, high) == wilson_interval(500, 500)
    assert low < 0.993
    assert high == 1


def test_tasks_that_differ_make_the_interval_narrower_than_the_pooled_one() -> None:
    low, high = stratified_wilson_interval([50] * 5 + [0] * 5, [50] * 10)
    pooled = wilson_interval(250, 500)
    assert 0 < high - low < 0.3 * (pooled[1] - pooled[0])


# ---- a suite, its tasks taken as a sample ----------------------------------------------------


@given(suites)
def test_tasks_as_a_sample_are_never_more_certain_than_the_same_tasks_taken_as_given(
    suite: Counts,
) -> None:
    fixed = stratified_wilson_interval(*suite)
    sampled = task_bootstrap_interval(*suite, at_least=fixed, resamples=200)
    if len(suite[0]) < 5 or len({s / n for s, n in zip(*suite, strict=True)}) == 1:
        assert sampled is None, "they say next to nothing about others"
    else:
        assert sampled is not None
        assert 0 <= sampled[0] <= fixed[0] <= fixed[1] <= sampled[1] <= 1


def test_the_bootstrap_repeats_itself_and_depends_on_its_seed_only_slightly() -> None:
    successes, trials = [31, 44, 12, 50, 27, 38, 49, 20, 41, 33], [50] * 10
    fixed = stratified_wilson_interval(successes, trials)
    first = task_bootstrap_interval(successes, trials, at_least=fixed)
    assert first == task_bootstrap_interval(successes, trials, at_least=fixed)
    other = task_bootstrap_interval(successes, trials, at_least=fixed, seed=1)
    assert other != first
    assert other == pytest.approx(first, abs=0.015)


def test_tasks_that_are_all_solved_say_nothing_about_how_tasks_differ() -> None:
    fixed = stratified_wilson_interval([50] * 10, [50] * 10)
    assert task_bootstrap_interval([50] * 10, [50] * 10, at_least=fixed) is None


def test_tasks_that_hardly_differ_leave_at_least_the_doubt_about_themselves() -> None:
    counts = [50] * 9 + [49]
    fixed = stratified_wilson_interval(counts, [50] * 10)
    sampled = task_bootstrap_interval(counts, [50] * 10, at_least=fixed)
    assert sampled is not None
    assert sampled[0] <= fixed[0] < fixed[1] <= sampled[1]


# ---- over runs -------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_interval_over_runs_is_student_s(rates: list[float]) -> None:
    low, high = interval_over_runs(rates)
    scale = np.std(rates, ddof=1) / np.sqrt(len(rates))
    half = stats.t.ppf(0.975, len(rates) - 1) * scale
    assert (low, high) == pytest.approx((np.mean(rates) - half, np.mean(rates) + half), abs=1e-9)


def test_one_run_has_no_interval_over_runs() -> None:
    with pytest.raises(ValueError, match="at least two"):
        interval_over_runs([0.5])


# ---- coverage --------------------------------------------------------------------------------

TASK_RATES = {
    "equal": [0.8] * 10,
    "spread": list(np.linspace(0.6, 0.99, 10)),
    "opposite": [0.05] * 5 + [0.95] * 5,
    "one bad": [0.2] + [0.98] * 9,
    "near one": [0.98] * 10,
}


def coverage(
    interval: Callable[[Sequence[int], Sequence[int]], tuple[float, float]],
    draw: Callable[[np.random.Generator], tuple[np.ndarray, float]],
    trials: int,
    repetitions: int = 2000,
) -> float:
    """How often an interval holds the truth, when `draw` gives task rates and the truth."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(repetitions):
        rates, truth = draw(rng)
        successes = rng.binomial(trials, rates)
        low, high = interval([int(s) for s in successes], [trials] * len(rates))
        held += low <= truth <= high
    return held / repetitions


@pytest.mark.parametrize("trials", [3, 10, 50])
@pytest.mark.parametrize("rates", TASK_RATES.values(), ids=TASK_RATES.keys())
def test_a_suite_s_interval_holds_the_rate_of_its_tasks_as_often_as_it_says(
    rates: list[float], trials: int
) -> None:
    """Discreteness costs a few points where only a handful of failures is expected."""
    given_tasks = np.array(rates)
    measured = coverage(
        stratified_wilson_interval, lambda _: (given_tasks, float(given_tasks.mean())), trials
    )
    assert measured >= 0.92


@pytest.mark.parametrize(("tasks", "shape"), [(10, (8, 2)), (10, (2, 2)), (30, (4, 1))])
def test_the_bootstrap_holds_the_rate_of_all_tasks_as_often_as_it_says(
    tasks: int, shape: tuple[float, float]
) -> None:
    def interval(successes: Sequence[int], trials: Sequence[int]) -> tuple[float, float]:
        fixed = stratified_wilson_interval(successes, trials)
        return task_bootstrap_interval(successes, trials, at_least=fixed, resamples=1000) or (
            0.0,
            1.0,
        )

    mean = shape[0] / sum(shape)
    measured = coverage(interval, lambda rng: (rng.beta(*shape, tasks), mean), 20)
    assert measured >= 0.92
    # The interval for these tasks is not one for tasks like these.
    naive = coverage(stratified_wilson_interval, lambda rng: (rng.beta(*shape, tasks), mean), 20)
    assert naive < 0.8
