"""Flow matching: paths, losses, integration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="learned policies need torch")

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.nn.flow import (  # noqa: E402
    TIME_BUCKETS,
    flow_sample,
    flow_times,
    integrate,
    masked_mse,
    time_bucket,
)


def seeded(seed: int = 0):
    return torch.Generator().manual_seed(seed)


def test_points_lie_on_the_straight_path_from_noise_to_action():
    actions = torch.randn(3, 4, 2)
    sample = flow_sample(actions, 5, seeded())
    assert sample.points.shape == (3, 5, 4, 2)
    t = sample.time[:, :, None, None]
    # Following the velocity for what is left of the time ends at the action.
    reached = sample.points + (1 - t) * sample.velocity
    torch.testing.assert_close(reached, actions.unsqueeze(1).expand_as(reached))


def test_draws_of_one_sample_differ_and_equal_seeds_give_equal_draws():
    actions = torch.zeros(2, 4, 2)
    sample = flow_sample(actions, 2, seeded(1))
    assert not torch.equal(sample.velocity[:, 0], sample.velocity[:, 1])
    assert torch.equal(sample.points, flow_sample(actions, 2, seeded(1)).points)
    assert not torch.equal(sample.points, flow_sample(actions, 2, seeded(2)).points)


def test_flow_times_are_distributed_as_stated():
    t = flow_times((200_000,), seeded(), torch.zeros(1))
    assert t.min() >= 0
    assert t.max() < 0.999
    # Beta(1.5, 1) has distribution function x^1.5, so P(t <= s) = 1 - (1 - s / 0.999)^1.5.
    for s in (0.1, 0.4, 0.8):
        expected = 1 - (1 - s / 0.999) ** 1.5
        assert (t <= s).double().mean().item() == pytest.approx(expected, abs=0.005)


@given(st.floats(0, 1))
def test_time_buckets_are_below_their_number(t):
    bucket = time_bucket(torch.tensor(t)).item()
    assert 0 <= bucket < TIME_BUCKETS
    assert bucket == pytest.approx(t * TIME_BUCKETS, abs=1.001)


def test_masked_entries_do_not_influence_the_loss_even_when_not_finite():
    prediction = torch.randn(2, 3, 4, requires_grad=True)
    target = torch.randn(2, 3, 4)
    mask = torch.tensor([[True, False, True], [False, False, True]])
    loss = masked_mse(prediction, target, mask)
    expected = (prediction - target)[mask].square().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert prediction.grad[~mask].abs().max() == 0
    target[~mask] = torch.nan
    torch.testing.assert_close(masked_mse(prediction, target, mask), expected)


def test_a_loss_over_nothing_is_zero():
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert masked_mse(torch.ones(2, 3, 1), torch.zeros(2, 3, 1), nothing) == 0


@given(st.integers(1, 20), st.floats(-2, 2), st.floats(-2, 2))
def test_euler_integrates_a_linear_field_as_euler_must(steps, slope, offset):
    noise = torch.randn(2, 3, 1, generator=seeded(), dtype=torch.float64)
    end = integrate(lambda x, _: slope * x + offset, noise, steps)
    # x_{n+1} = (1 + h s) x_n + h o, in closed form after `steps` steps of h = 1 / steps.
    factor = (1 + slope / steps) ** steps
    drift = sum((1 + slope / steps) ** i for i in range(steps)) * offset / steps
    torch.testing.assert_close(end, factor * noise + drift)


def test_euler_is_exact_where_velocity_is_constant_and_sees_each_steps_time():
    noise, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    times = []

    def velocity(_, time):
        times.append(time)
        return target - noise

    torch.testing.assert_close(integrate(velocity, noise, 4), target)
    assert torch.stack(times)[:, 0].tolist() == [0, 0.25, 0.5, 0.75]


def test_no_steps_are_refused():
    with pytest.raises(UsageError, match="at least 1 step"):
        integrate(lambda x, _: x, torch.zeros(1, 1, 1), 0)
