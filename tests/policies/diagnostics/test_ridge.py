"""Ridge regression as algebra has it, and splits that no episode straddles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="diagnostics need torch")

from wambench_policies.diagnostics.ridge import (
    choose_penalty,
    episode_folds,
    fit_ridge,
    regress,
)

SEEDS = st.integers(0, 2**32 - 1)
PENALTIES = st.floats(1e-4, 1e3)


def problem(seed: int, rows: int = 40, inputs: int = 5, outputs: int = 3) -> tuple:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs)) * rng.uniform(0.1, 10, inputs) + rng.normal(size=inputs)
    y = rng.normal(size=(rows, outputs)) + x @ rng.normal(size=(inputs, outputs))
    return x, y


@given(SEEDS, PENALTIES)
def test_the_gradient_of_the_penalised_error_is_zero(seed: int, penalty: float) -> None:
    x, y = problem(seed)
    fit = fit_ridge(x, y, penalty)
    standard = (x - x.mean(0)) / x.std(0)
    residual = y - fit.predict(x)
    gradient = -standard.T @ residual / len(x) + penalty * fit.weights
    np.testing.assert_allclose(gradient, 0, atol=1e-8 * np.abs(y).max() * (1 + penalty))


@given(SEEDS)
def test_without_a_penalty_it_is_least_squares(seed: int) -> None:
    x, y = problem(seed)
    design = np.column_stack([x, np.ones(len(x))])
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(
        fit_ridge(x, y, 1e-13).predict(x), design @ weights, atol=1e-6 * np.abs(y).max()
    )


@given(SEEDS, PENALTIES, st.floats(1.1, 100))
def test_a_greater_penalty_shrinks_the_weights(seed: int, penalty: float, more: float) -> None:
    x, y = problem(seed)
    small, large = (np.linalg.norm(fit_ridge(x, y, p).weights) for p in (penalty, penalty * more))
    assert large < small


@given(SEEDS, PENALTIES, st.floats(0.01, 100), st.floats(-100, 100))
def test_units_of_inputs_do_not_matter_and_those_of_outputs_carry_over(
    seed: int, penalty: float, scale: float, shift: float
) -> None:
    x, y = problem(seed)
    before = fit_ridge(x, y, penalty).predict(x)
    other = scale * x + shift
    np.testing.assert_allclose(fit_ridge(other, y, penalty).predict(other), before, atol=1e-5)
    after = fit_ridge(x, scale * y + shift, penalty).predict(x)
    np.testing.assert_allclose(after, scale * before + shift, rtol=1e-6, atol=1e-6)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(2, 6))
def test_an_episode_is_in_one_fold_and_no_fold_is_empty(names: list[int], folds: int) -> None:
    episodes = np.array(names)
    if len(set(names)) < 2:
        with pytest.raises(ValueError, match="two episodes"):
            episode_folds(episodes, folds)
        return
    found = episode_folds(episodes, folds)
    assert all(len(set(found[episodes == name])) == 1 for name in set(names))
    assert set(found) == set(range(min(folds, len(set(names)))))


def test_an_exact_relation_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(12), 20)
    x = rng.normal(size=(240, 4))
    exact = regress(x, x @ rng.normal(size=(4, 6)) + 3, episodes)
    assert exact.r2() > 0.999
    noise = regress(x, rng.normal(size=(240, 6)), episodes)
    assert -0.1 < noise.r2() < 0.02
    assert max(noise.penalties) > max(exact.penalties)


def test_what_is_remembered_of_an_episode_counts_for_nothing() -> None:
    """Windows of an episode are alike in x and y: a split by window would give R2 near 1."""
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(8), 30)
    x = rng.normal(size=(8, 40))[episodes] + 0.01 * rng.normal(size=(240, 40))
    y = rng.normal(size=(8, 2))[episodes]
    by_window = regress(x, y, np.arange(240))
    assert by_window.r2() > 0.9
    assert regress(x, y, episodes).r2() < 0.1


@given(SEEDS, st.integers(0, 5))
def test_a_prediction_does_not_depend_on_its_own_episode(seed: int, episode: int) -> None:
    x, y = problem(seed, rows=48)
    episodes = np.repeat(np.arange(6), 8)
    mine = episodes == episode
    other = y.copy()
    other[mine] = np.random.default_rng(seed + 1).normal(size=other[mine].shape) * 100
    before, after = regress(x, y, episodes), regress(x, other, episodes)
    np.testing.assert_array_equal(before.predicted[mine], after.predicted[mine])
    np.testing.assert_array_equal(before.mean[mine], after.mean[mine])


def test_r2_of_some_columns_and_of_constant_ones() -> None:
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(6), 20)
    x = rng.normal(size=(120, 2))
    y = np.column_stack([x[:, 0], rng.normal(size=120), np.full(120, 0.7)])
    found = regress(x, y, episodes)
    assert found.r2([0]) > 0.999
    assert found.r2([1]) < 0.05
    assert np.isnan(found.r2([2]))
    assert found.r2([1]) < found.r2() < found.r2([0])


def test_of_equal_penalties_the_largest_is_taken() -> None:
    x, episodes = np.zeros((12, 2)), np.repeat(np.arange(4), 3)
    assert choose_penalty(x, np.ones((12, 1)), episodes, (0.1, 10.0, 1.0)) == 10.0


def test_two_episodes_are_too_few() -> None:
    x, y = problem(0)
    with pytest.raises(ValueError, match="three episodes"):
        regress(x, y, np.repeat([0, 1], 20))
