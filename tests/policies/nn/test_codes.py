"""Sinusoidal codes of positions and of physical time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="learned policies need torch")

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.nn.codes import grid_2d, grid_3d, physical_time, sinusoidal  # noqa: E402


def test_the_code_is_equation_7():
    t, dim = 0.35, 10
    count = dim // 2
    omega = [math.exp(-math.log(10_000) * k / (count - 1)) for k in range(count)]
    expected = [math.sin(t * w) for w in omega] + [math.cos(t * w) for w in omega]
    torch.testing.assert_close(sinusoidal(torch.tensor(t), dim), torch.tensor(expected))


@given(st.integers(0, 200), st.sampled_from([2, 16, 64]), st.sampled_from([1.0, 0.05]))
def test_time_codes_agree_at_equal_seconds_whatever_the_control_frequency(i, dim, unit):
    steps = 4 * i + 1
    code = physical_time(steps, torch.tensor([5.0, 10.0, 20.0]), dim, unit)
    at_5, at_10, at_20 = code[0, i], code[1, 2 * i], code[2, 4 * i]
    torch.testing.assert_close(at_5, at_10, atol=1e-4, rtol=0)
    torch.testing.assert_close(at_5, at_20, atol=1e-4, rtol=0)


def test_time_codes_differ_at_different_seconds():
    code = physical_time(24, torch.tensor([5.0, 20.0]), 64)
    assert not torch.allclose(code[0, 1], code[1, 1], atol=1e-3)
    apart = torch.cdist(code[1], code[1]) + torch.eye(24)
    assert apart.min() > 1e-2


def test_a_grid_gives_half_to_rows_and_half_to_columns():
    code = grid_2d(3, 5, 16).reshape(3, 5, 16)
    assert torch.equal(code[1, 0, :8], code[1, 4, :8])
    assert torch.equal(code[0, 2, 8:], code[2, 2, 8:])
    assert len(torch.unique(code.reshape(15, 16), dim=0)) == 15


def test_a_clip_gives_half_to_time_and_a_quarter_to_rows_and_columns_each():
    code = grid_3d(2, 4, 4, 32).reshape(2, 4, 4, 32)
    assert torch.equal(code[1, 0, 0, :16], code[1, 3, 2, :16])
    assert torch.equal(code[0, 1, 2, 16:], code[1, 1, 2, 16:])
    assert torch.equal(code[0].flatten(0, 1)[:, 16:], grid_2d(4, 4, 16))
    assert len(torch.unique(code.reshape(32, 32), dim=0)) == 32


def test_an_odd_width_is_refused():
    with pytest.raises(UsageError, match="even width, got 7"):
        sinusoidal(torch.zeros(1), 7)
