"""Errors in standardised space, and whose z is given to whom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="diagnostics need torch")

from wambench_policies.diagnostics.features import Standardiser, other_samples  # noqa: E402

EPISODES = np.repeat(np.arange(10), 30)


def features(seed: int = 0, tokens: int = 4, dim: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    place = 5 * torch.randn(tokens, dim, generator=generator)
    return place + torch.randn(len(EPISODES), tokens, dim, generator=generator)


def test_the_mean_baseline_has_an_error_of_about_one_and_truth_of_none() -> None:
    found = features()
    standard = Standardiser.fit(found, EPISODES)
    assert standard.errors(standard.means(), found).mean().item() == pytest.approx(1, abs=0.05)
    assert standard.errors(found, found).abs().max() == 0


def test_an_error_is_in_units_of_the_channels_own_deviation() -> None:
    found = features()
    scaled = found * torch.tensor([1.0, 100.0, 0.01])
    prediction = found.roll(7, 0)
    errors = Standardiser.fit(found, EPISODES).errors(prediction, found)
    other = prediction * torch.tensor([1.0, 100.0, 0.01])
    torch.testing.assert_close(
        Standardiser.fit(scaled, EPISODES).errors(other, scaled), errors, rtol=1e-3, atol=1e-3
    )


def test_what_a_token_always_is_does_not_count_as_variance() -> None:
    """Places differ by far more than frames do; an error as large as the latter is 1."""
    found = features()
    standard = Standardiser.fit(found, EPISODES)
    assert standard.scale.mean().item() == pytest.approx(1, abs=0.1)


def test_an_episode_is_measured_by_others() -> None:
    found = features()
    changed = found.clone()
    changed[:30] += 1000
    before, after = (Standardiser.fit(f, EPISODES) for f in (found, changed))
    torch.testing.assert_close(after.means()[:30], before.means()[:30])
    assert (after.means()[30:] - before.means()[30:]).abs().max() > 100


def test_channels_that_never_change_are_left_alone() -> None:
    found = features()
    found[..., 0] = 3.0
    standard = Standardiser.fit(found, EPISODES)
    assert torch.isfinite(standard.errors(found + 1, found)).all()
    assert (standard.scale[:, 0] == 1).all()


@given(st.lists(st.integers(0, 6), min_size=2, max_size=50))
def test_every_sample_gets_another_one_and_of_another_episode_where_possible(
    names: list[int],
) -> None:
    episodes = np.array(names)
    donors = other_samples(episodes)
    assert sorted(donors) == list(range(len(names)))
    assert (donors != np.arange(len(names))).all()
    if 2 * np.bincount(episodes).max() <= len(names):
        assert (episodes[donors] != episodes).all()


def test_one_sample_has_no_other() -> None:
    with pytest.raises(ValueError, match="no other"):
        other_samples(np.array([3]))
