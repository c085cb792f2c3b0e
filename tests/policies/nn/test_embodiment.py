"""Weights of each embodiment, parameter groups, and draws from generators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="learned policies need torch")

from torch import nn  # noqa: E402

from wambench_policies.nn.embodiment import EmbodimentLinear, EmbodimentMLP  # noqa: E402
from wambench_policies.nn.groups import parameter_groups  # noqa: E402
from wambench_policies.nn.random import dropout, normal, uniform  # noqa: E402


def test_every_sample_is_computed_with_the_weights_of_its_own_embodiment():
    torch.manual_seed(0)
    layer = EmbodimentLinear(4, 3, 5)
    nn.init.normal_(layer.bias)
    x, embodiment = torch.randn(3, 2, 3), torch.tensor([2, 0, 2])
    out = layer(x, embodiment)
    for i, e in enumerate(embodiment):
        torch.testing.assert_close(out[i], x[i] @ layer.weight[e] + layer.bias[e])


def test_training_one_embodiment_leaves_the_others_alone():
    layers = EmbodimentMLP(4, 3, 6, 2)
    layers(torch.randn(2, 1, 3), torch.tensor([1, 1])).square().sum().backward()
    for parameter in layers.parameters():
        assert not parameter.grad[[0, 2, 3]].any()
    assert layers.second.weight.grad[1].abs().sum() > 0


def test_groups_hold_every_trainable_parameter_once_and_decay_matrices_only():
    model = nn.ModuleDict(
        {"a": EmbodimentLinear(2, 3, 4), "b": nn.LayerNorm(4), "frozen": nn.Linear(2, 2)}
    )
    model["frozen"].requires_grad_(False)
    groups = parameter_groups(
        [("a", [model["a"]], 0.5), ("rest", [model["b"], model["frozen"]], 1)], 0.1
    )
    assert [(g["name"], g["lr_scale"], g["weight_decay"]) for g in groups] == [
        ("a", 0.5, 0.1),
        ("a_plain", 0.5, 0.0),
        ("rest_plain", 1, 0.0),
    ]
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    with pytest.raises(AssertionError, match="in two groups"):
        parameter_groups([("a", [model["a"]], 1.0), ("again", [model["a"]], 1.0)], 0.0)


@given(st.integers(0, 2**31), st.sampled_from([torch.float32, torch.float64]))
def test_draws_follow_from_the_generator_and_have_the_type_asked_for(seed, dtype):
    like = torch.zeros(1, dtype=dtype)
    for draw in (normal, uniform):
        a, b = (draw((3, 4), torch.Generator().manual_seed(seed), like) for _ in range(2))
        assert a.dtype == dtype
        assert torch.equal(a, b)


def test_dropout_keeps_the_mean_and_is_off_without_a_generator():
    x = torch.ones(100_000)
    dropped = dropout(x, 0.2, torch.Generator().manual_seed(0))
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert dropout(x, 0.2, None) is x
