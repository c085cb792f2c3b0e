"""The sequential comparison keeps its promise however often one looks, and is worth looking at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, special

from wambench.stats.paired import Pairs, mcnemar_exact
from wambench.stats.sequential import confidence_sequence, decide, log_evidence

few = st.integers(0, 30)
nulls = st.floats(-0.9, 0.9)
pairs = st.builds(Pairs, few, few, few, few)


def test_the_evidence_is_the_beta_binomial_mixture_of_the_sequential_mcnemar_test() -> None:
    for wins, losses in [(0, 0), (5, 0), (0, 5), (12, 3), (40, 31), (200, 120)]:
        above_half = special.betaincc(wins + 1, losses + 1, 0.5)
        exact = special.betaln(wins + 1, losses + 1) + math.log(2 * above_half)
        exact += (wins + losses) * math.log(2)
        assert log_evidence(wins, losses, ties=7) == pytest.approx(exact, abs=0.02)


@given(few, few, few, nulls)
def test_the_expected_evidence_of_the_next_pair_is_no_more_than_there_is_under_the_null(
    wins: int, losses: int, ties: int, null: float
) -> None:
    """At the edge of the null, E[X] = d0, whatever the share of discordant pairs."""
    now = math.exp(log_evidence(wins, losses, ties, null))
    for ties_share in (0.0, 0.5, 1.0):
        tie = ties_share * (1 - abs(null))
        win, loss = (1 - tie + null) / 2, (1 - tie - null) / 2
        then = (
            win * math.exp(log_evidence(wins + 1, losses, ties, null))
            + loss * math.exp(log_evidence(wins, losses + 1, ties, null))
            + tie * math.exp(log_evidence(wins, losses, ties + 1, null))
        )
        assert then == pytest.approx(now, rel=1e-9)


@given(few, few, few, nulls, nulls)
def test_evidence_against_a_larger_difference_is_weaker(
    wins: int, losses: int, ties: int, first: float, second: float
) -> None:
    low, high = sorted((first, second))
    weaker = log_evidence(wins, losses, ties, high)
    assert weaker <= log_evidence(wins, losses, ties, low) + 1e-9


@given(pairs)
def test_the_interval_holds_the_difference_and_turns_round_with_the_policies(p: Pairs) -> None:
    low, high = confidence_sequence(p)
    if p.number:
        assert -1 <= low <= p.difference <= high <= 1
    else:
        assert (low, high) == pytest.approx((-1, 1), abs=1e-5)
    turned = confidence_sequence(Pairs(p.both, p.b_only, p.a_only, p.neither))
    assert turned == pytest.approx((-high, -low), abs=1e-6)


@given(st.lists(pairs, max_size=6), st.sampled_from([None, 0.05, 0.2]))
def test_the_verdict_is_what_the_interval_at_that_look_says(
    chosen: list[Pairs], margin: float | None
) -> None:
    decision = decide(chosen, 10, margin=margin)
    low, high = decision.interval
    assert (decision.verdict == "b better") == (low > 1e-5)
    assert (decision.verdict == "a better") == (high < -1e-5)
    if decision.verdict == "no difference above the margin":
        assert margin is not None
        assert -margin <= low < high <= margin
    assert decision.pairs == sum(chosen[: decision.rounds], Pairs())


def test_what_comes_after_the_deciding_round_changes_nothing() -> None:
    clear = [Pairs(both=3, b_only=7)] * 5
    first = decide(clear, 50)
    assert first.verdict == "b better"
    assert first.rounds < 5
    assert decide([*clear, *[Pairs(a_only=10)] * 45], 50) == first


def test_equal_policies_are_found_so_only_within_a_margin() -> None:
    equal = [Pairs(both=10)] * 50
    assert decide(equal, 50).verdict == "undecided"
    found = decide(equal, 50, margin=0.05)
    assert found.verdict == "no difference above the margin"
    assert 5 <= found.rounds <= 12, "3 / 0.05 to about 1.3 times that many pairs"
    assert decide(equal[:4], 50, margin=0.05).verdict == "undecided"


# ---- error rates under optional stopping ------------------------------------------------------

EQUAL = {
    "equal, often discordant": ([0.2] * 10, [0.2] * 10),
    "equal, rarely discordant": ([0.03] * 10, [0.03] * 10),
    "better on half, worse on half": ([0.5] * 5 + [0.0] * 5, [0.0] * 5 + [0.5] * 5),
    "much better on one, worse on nine": ([0.9] + [0.0] * 9, [0.0] + [0.1] * 9),
    "all discordant": ([0.5] * 10, [0.5] * 10),
}
"""Chances, per task, that only b and that only a solves an episode; the averages are equal."""


def first_decisions(
    b_only: Sequence[float], a_only: Sequence[float], rounds: int, repetitions: int, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Simulates runs.

    Returns:
        For each repetition: +1, -1 or 0 for b better, a better, undecided; the rounds used; and
        the wins and losses over all rounds.
    """
    rng = np.random.default_rng(seed)
    threshold = math.log(2 / 0.05)
    drawn = rng.random((repetitions, rounds, len(b_only)))
    wins = (drawn < np.array(b_only)).sum(axis=2).cumsum(axis=1)
    losses = (drawn > 1 - np.array(a_only)).sum(axis=2).cumsum(axis=1)
    table = np.full((wins.max() + 1, losses.max() + 1), np.nan)
    turned = table.T.copy()
    for w, x in {*zip(wins.ravel().tolist(), losses.ravel().tolist(), strict=True)}:
        table[w, x] = log_evidence(w, x, 0)
        turned[x, w] = log_evidence(x, w, 0)
    sign = (table[wins, losses] >= threshold).astype(int) - (turned[losses, wins] >= threshold)
    decided = sign != 0
    first = np.where(decided.any(axis=1), decided.argmax(axis=1), rounds - 1)
    verdicts = np.take_along_axis(sign, first[:, None], axis=1)[:, 0]
    return verdicts, first + 1, wins[:, -1], losses[:, -1]


@pytest.mark.parametrize(("b_only", "a_only"), EQUAL.values(), ids=EQUAL.keys())
def test_equal_policies_are_told_apart_no_more_often_than_stated(
    b_only: list[float], a_only: list[float]
) -> None:
    verdicts, _, _, _ = first_decisions(b_only, a_only, rounds=100, repetitions=1000)
    assert np.mean(verdicts != 0) <= 0.05
    assert np.mean(verdicts == 1) <= 0.025 + 0.01, "each direction has half of it"


def test_peeking_at_mcnemar_s_test_would_not_have_kept_that_promise() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        signs = rng.integers(0, 2, 200)
        wins = signs.cumsum()
        found += any(
            mcnemar_exact(Pairs(a_only=n - int(w), b_only=int(w))) <= 0.05
            for n, w in zip(range(10, 201, 10), wins[9::10], strict=True)
        )
    assert found / 300 > 0.1


def test_the_worse_policy_is_never_found_better_in_practice() -> None:
    verdicts, _, _, _ = first_decisions([0.10] * 10, [0.15] * 10, rounds=50, repetitions=1000)
    assert np.mean(verdicts == 1) <= 0.025


@pytest.mark.parametrize(
    ("b_only", "a_only", "power", "share"),
    [(0.50, 0.10, 0.99, 0.15), (0.30, 0.10, 0.99, 0.3), (0.20, 0.10, 0.8, 0.65)],
)
def test_real_differences_are_found_with_part_of_the_episodes(
    b_only: float, a_only: float, power: float, share: float
) -> None:
    """50 rounds of 10 tasks; McNemar's test needs all 500 episodes whatever the difference."""
    verdicts, used, wins, losses = first_decisions([b_only] * 10, [a_only] * 10, 50, 1000)
    assert np.mean(verdicts == 1) >= power
    assert used.mean() / 50 <= share
    fixed = np.mean(
        [
            mcnemar_exact(Pairs(a_only=int(x), b_only=int(w))) <= 0.05
            for w, x in zip(wins, losses, strict=True)
        ]
    )
    assert fixed >= np.mean(verdicts == 1) - 0.01, "looking early has its price"


def test_the_confidence_sequence_holds_the_difference_at_all_looks_together() -> None:
    rng = np.random.default_rng(0)
    b_only, a_only = np.linspace(0, 0.5, 6), np.full(6, 0.1)
    truth = float((b_only - a_only).mean())
    missed = 0
    threshold = math.log(2 / 0.05)
    for _ in range(400):
        drawn = rng.random((60, 6))
        wins = (drawn < b_only).sum(axis=1).cumsum()
        losses = (drawn > 1 - a_only).sum(axis=1).cumsum()
        # The interval leaves the truth out exactly where the evidence against it is that strong.
        missed += any(
            log_evidence(w, x, n - w - x, truth) >= threshold
            or log_evidence(x, w, n - w - x, -truth) >= threshold
            for n, w, x in zip(range(6, 361, 6), wins.tolist(), losses.tolist(), strict=True)
        )
    assert missed / 400 <= 0.05


def test_differences_at_the_margin_are_not_called_small_more_often_than_stated() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        drawn = rng.random((100, 5))
        outcomes = [
            Pairs(
                a_only=int((row > 0.98).sum()),
                b_only=int((row < 0.12).sum()),
                both=int(((row >= 0.12) & (row <= 0.98)).sum()),
            )
            for row in drawn
        ]
        verdict = decide(outcomes, 100, margin=0.1).verdict
        wrong += verdict == "no difference above the margin"
    assert wrong / 200 <= 0.05


def test_the_quadrature_over_players_is_close_to_the_integral() -> None:
    def wealth(share: float, null: float = 0.1) -> float:
        return float(
            (1 + share * (1 - null) / (1 + null)) ** 20
            * (1 - share) ** 8
            * (1 - share * null / (1 + null)) ** 30
        )

    exact, _ = integrate.quad(wealth, 0, 1)
    assert log_evidence(20, 8, 30, 0.1) == pytest.approx(math.log(exact), abs=1e-3)
