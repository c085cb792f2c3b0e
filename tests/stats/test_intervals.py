"""Wilson intervals, against their definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from wambench.stats.intervals import wilson_interval

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    reference = binomtest(*count).proportion_ci(confidence, method="wilson")
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
