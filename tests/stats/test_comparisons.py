"""Tests of a difference: paired, unpaired, and several at once."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from wambench.stats.multiple import compact_letters, holm
from wambench.stats.paired import (
    Pairs,
    mcnemar_exact,
    mean_difference_interval,
    paired_difference_interval,
    sign_flip_exact,
)
from wambench.stats.unpaired import barnard_test, newcombe_interval

few = st.integers(0, 40)
pairs = st.builds(Pairs, few, few, few, few).filter(lambda p: p.number > 0)
tasks = st.lists(pairs, min_size=1, max_size=10)


def swapped(p: Pairs) -> Pairs:
    return Pairs(p.both, p.b_only, p.a_only, p.neither)


# ---- paired ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_pairs_count_every_outcome_once(outcomes: list[tuple[bool, bool]]) -> None:
    counted = Pairs.count(outcomes)
    assert counted.number == len(outcomes)
    rate_a, rate_b = np.mean(outcomes, axis=0)
    assert counted.difference == pytest.approx(rate_b - rate_a)


@given(pairs)
def test_mcnemar_s_test_is_the_binomial_test_of_the_discordant_pairs(p: Pairs) -> None:
    discordant = p.a_only + p.b_only
    expected = stats.binomtest(p.b_only, discordant).pvalue if discordant else 1.0
    assert mcnemar_exact(p) == pytest.approx(expected)


@given(pairs, st.integers(1, 3))
def test_the_sign_flip_test_is_mcnemar_s_however_often_every_pair_is_repeated(
    p: Pairs, times: int
) -> None:
    """Three seeds that all end alike are no more than one."""
    sums = [times] * p.b_only + [-times] * p.a_only + [0] * p.both
    assert sign_flip_exact(sums) == pytest.approx(mcnemar_exact(p))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_the_sign_flip_test_counts_all_choices_of_signs(sums: list[int]) -> None:
    choices = np.array(list(product((-1, 1), repeat=len(sums)))).reshape(-1, len(sums))
    far = np.abs(choices @ np.abs(np.array(sums, int))) >= abs(sum(sums))
    assert sign_flip_exact(sums) == pytest.approx(far.mean())


def test_episodes_that_several_seeds_share_are_not_counted_as_so_many() -> None:
    """One reference beside three seeds, none of them better: pairs added up would be too sure."""
    rng = np.random.default_rng(0)
    rounds, seeds, added, covered, shared = 400, 3, 0, 0, 0
    for _ in range(rounds):
        chance = rng.beta(1, 1, 100)  # some episodes are harder
        reference = rng.random(100) < chance
        methods = rng.random((seeds, 100)) < chance
        differences = methods.astype(int) - reference
        tasks = differences.mean(axis=0).reshape(10, 10)
        low, high = mean_difference_interval(tasks.tolist())
        covered += low <= 0 <= high
        shared += sign_flip_exact(differences.sum(axis=0).tolist()) <= 0.05
        outcomes = [(bool(a), bool(b)) for m in methods for a, b in zip(reference, m, strict=True)]
        added += mcnemar_exact(Pairs.count(outcomes)) <= 0.05
    assert covered >= 0.93 * rounds
    assert shared <= 0.07 * rounds
    assert added >= 0.12 * rounds


@given(tasks)
def test_naming_the_policies_the_other_way_turns_everything_round(chosen: list[Pairs]) -> None:
    low, high = paired_difference_interval(chosen)
    turned = paired_difference_interval([swapped(p) for p in chosen])
    assert turned == pytest.approx((-high, -low), abs=1e-9)
    total = sum(chosen, Pairs())
    assert mcnemar_exact(swapped(total)) == mcnemar_exact(total)
    assert swapped(total).difference == -total.difference


@given(tasks, st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_the_interval_of_a_paired_difference_holds_the_difference(
    chosen: list[Pairs], confidence: float
) -> None:
    low, high = paired_difference_interval(chosen, confidence)
    assert -1 <= low <= sum(chosen, Pairs()).difference <= high <= 1
    assert low < high


def test_equal_outcomes_everywhere_are_no_proof_of_equality() -> None:
    low, high = paired_difference_interval([Pairs(both=50)] * 10)
    assert low == -high
    assert 0.003 < high < 0.01


@pytest.mark.parametrize("trials", [5, 20])
@pytest.mark.parametrize(
    ("b_only", "a_only"),
    [
        ([0.1] * 10, [0.1] * 10),
        ([0.3] * 10, [0.1] * 10),
        ([0.6] * 5 + [0.0] * 5, [0.0] * 5 + [0.6] * 5),
        (list(np.linspace(0, 0.6, 10)), [0.05] * 10),
    ],
    ids=["equal", "better", "better on some and worse on others", "better on some"],
)
def test_the_interval_of_a_paired_difference_holds_the_truth_as_often_as_it_says(
    b_only: list[float], a_only: list[float], trials: int
) -> None:
    rng = np.random.default_rng(0)
    truth = np.mean(b_only) - np.mean(a_only)
    held = rejected = 0
    repetitions = 2000
    for _ in range(repetitions):
        counts = [
            rng.multinomial(trials, [a, b, 1 - a - b]) for a, b in zip(a_only, b_only, strict=True)
        ]
        drawn = [Pairs(0, int(a), int(b), int(rest)) for a, b, rest in counts]
        low, high = paired_difference_interval(drawn)
        held += low <= truth <= high
        rejected += mcnemar_exact(sum(drawn, Pairs())) <= 0.05
    assert held / repetitions >= 0.935
    if truth == 0:
        assert rejected / repetitions <= 0.055, "equal averages, whatever the tasks"


# ---- unpaired --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"), [((3, 20), (11, 20)), ((7, 15), (5, 25)), ((0, 10), (6, 10)), ((4, 9), (4, 9))]
)
def test_barnard_s_test_is_scipy_s_and_the_same_both_ways(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    table = [[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]
    expected = stats.barnard_exact(table).pvalue
    assert barnard_test(a, b) == pytest.approx(min(expected, 1), rel=1e-3)
    assert barnard_test(b, a) == barnard_test(a, b)


def largest_probability(a: tuple[int, int], b: tuple[int, int]) -> float:
    """The p-value by adding up all tables at very many common rates."""
    rows, columns = np.arange(a[1] + 1)[:, None], np.arange(b[1] + 1)[None]
    pooled = (rows + columns) / (a[1] + b[1])
    with np.errstate(invalid="ignore"):
        score = (rows / a[1] - columns / b[1]) / np.sqrt(pooled * (1 - pooled))
    score = np.abs(np.nan_to_num(score))
    extreme = score >= score[a[0], b[0]] - 1e-9
    return max(
        float((stats.binom.pmf(rows, a[1], p) * stats.binom.pmf(columns, b[1], p))[extreme].sum())
        for p in np.linspace(0, 1, 2001)
    )


@settings(max_examples=15)
@given(st.data())
@example(None)
def test_barnard_s_p_value_is_the_largest_over_all_common_rates(data: st.DataObject | None) -> None:
    """The example is one for which SciPy's optimiser stops at 0.0054, of 0.0075."""
    tables = ((1, 9), (7, 9))
    if data is not None:
        table = st.integers(1, 25).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
        tables = data.draw(st.tuples(table, table))
    a, b = tables
    expected = 1.0 if a[0] + b[0] in (0, a[1] + b[1]) else largest_probability(a, b)
    assert barnard_test(a, b) == pytest.approx(expected, rel=1e-3)


def test_two_policies_that_solve_everything_are_not_told_apart() -> None:
    assert barnard_test((20, 20), (30, 30)) == 1
    assert barnard_test((0, 20), (0, 30)) == 1


def test_the_limit_for_large_samples_continues_the_exact_test() -> None:
    a, b = (235, 300), (255, 300)
    exact = barnard_test(a, b)
    assert barnard_test((783 * 5, 5000), (850 * 5, 5000)) < 1e-9
    rate = 490 / 600
    z = (20 / 300) / np.sqrt(rate * (1 - rate) * 2 / 300)
    assert 2 * stats.norm.sf(z) == pytest.approx(exact, rel=0.1)
    scale = 20  # the same z-score with 20 times the trials
    d = 20 / 300 / np.sqrt(scale)
    n = 300 * scale
    large = barnard_test((round(n * (rate - d / 2)), n), (round(n * (rate + d / 2)), n))
    assert large == pytest.approx(2 * stats.norm.sf(z), rel=0.05)


samples = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(samples, samples)
def test_newcombe_s_interval_holds_the_difference_and_turns_round(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    low, high = newcombe_interval(a, b)
    assert -1 - 1e-9 <= low <= b[0] / b[1] - a[0] / a[1] <= high <= 1 + 1e-9
    assert newcombe_interval(b, a) == pytest.approx((-high, -low))


def test_newcombe_s_interval_agrees_with_his_example() -> None:
    """Newcombe 1998, Table II, contrast (a): 56/70 - 48/80, method 10."""
    assert newcombe_interval((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


# ---- several at once -------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), max_size=10))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_the_bonferroni_values(
    raw: list[float],
) -> None:
    adjusted = holm(raw)
    for p, q in zip(raw, adjusted, strict=True):
        assert p <= q <= min(len(raw) * p, 1) + 1e-12
    order = sorted(range(len(raw)), key=lambda i: raw[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_agrees_with_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


names = ["p", "q", "r", "s", "t", "u"]


@given(st.sets(st.sampled_from(list(combinations(names, 2)))))
def test_two_policies_share_a_letter_exactly_when_they_are_not_told_apart(
    different: set[tuple[str, str]],
) -> None:
    letters = compact_letters(names, sorted(different))
    for pair in combinations(names, 2):
        shared = set(letters[pair[0]]) & set(letters[pair[1]])
        assert bool(shared) == (pair not in different)
    assert all(letters.values()), "every policy has a letter"
    assert letters[names[0]].startswith("a")


def test_letters_go_from_the_best_down() -> None:
    different = [("best", "worst")]
    expected = {"best": "a", "middle": "ab", "worst": "b"}
    assert compact_letters(["best", "middle", "worst"], different) == expected
