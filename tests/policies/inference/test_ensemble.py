"""Temporal ensembling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wambench.errors import UsageError
from wambench_policies.inference.ensemble import TemporalEnsemble


def chunk(length: int, value: float) -> np.ndarray:
    """(length, 2) of one value."""
    return np.full((length, 2), value, np.float32)


@given(
    rate=st.floats(0, 2),
    length=st.integers(1, 6),
    steps=st.integers(1, 12),
    seed=st.integers(0, 100),
)
def test_an_action_is_the_mean_of_all_that_was_said_of_its_moment_the_oldest_first(
    rate: float, length: int, steps: int, seed: int
) -> None:
    said = np.random.default_rng(seed).normal(size=(steps, length, 2)).astype(np.float32)
    ensemble = TemporalEnsemble(rate)
    for step in range(steps):
        action = ensemble.add("e", step, said[step], 1)
        begins = range(max(0, step - length + 1), step + 1)
        weights = [np.exp(-rate * i) for i in range(len(begins))]
        parts = [w * said[b][step - b] for w, b in zip(weights, begins, strict=True)]
        np.testing.assert_allclose(action[0], sum(parts) / sum(weights), atol=1e-5)


def test_several_actions_at_once_are_means_too() -> None:
    ensemble = TemporalEnsemble(0.0)
    ensemble.add("e", 0, chunk(4, 0.0), 2)
    np.testing.assert_allclose(ensemble.add("e", 2, chunk(4, 1.0), 4)[:, 0], [0.5, 0.5, 1, 1])


def test_episodes_do_not_mix_and_a_new_attempt_begins_anew() -> None:
    ensemble = TemporalEnsemble(0.0)
    ensemble.add("one", 0, chunk(4, 0.0), 1)
    assert ensemble.add("other", 1, chunk(4, 1.0), 1)[0, 0] == 1.0
    assert ensemble.add("one", 1, chunk(4, 1.0), 1)[0, 0] == 0.5
    ensemble.forget(["one", "never seen"])
    assert ensemble.add("one", 2, chunk(4, 1.0), 1)[0, 0] == 1.0


def test_nothing_is_kept_longer_than_it_reaches() -> None:
    ensemble = TemporalEnsemble(0.0)
    for step in range(50):
        ensemble.add("e", step, chunk(4, 0.0), 1)
    assert sorted(ensemble._chunks["e"]) == [46, 47, 48, 49]


@pytest.mark.parametrize("rate", [-0.01, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match=r"ensemble=.*Use 0 or more"):
        TemporalEnsemble(rate)
