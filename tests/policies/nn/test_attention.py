"""Attention, adaptive norms and query aggregation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="learned policies need torch")

from wambench.errors import UsageError  # noqa: E402
from wambench_policies.nn.adaln import AdaLNZeroBlock, AdaptiveLayerNorm, plain_norm  # noqa: E402
from wambench_policies.nn.attention import (  # noqa: E402
    Attention,
    CrossAttentionBlock,
    KeysValues,
    SelfAttentionBlock,
    attend,
    key_mask,
)
from wambench_policies.nn.query import QueryAggregation  # noqa: E402


def by_hand(attention: Attention, x, context, mask=None):
    """Softmax attention written out, one head at a time."""
    dim = x.shape[-1] // attention.heads
    q = attention.query(x)
    k, v = attention.key_value(context).chunk(2, dim=-1)
    heads = []
    for h in range(attention.heads):
        part = slice(h * dim, (h + 1) * dim)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / dim**0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., part])
    return attention.out(torch.cat(heads, dim=-1))


def test_attention_is_softmax_attention_over_a_context_of_another_width():
    torch.manual_seed(0)
    attention = Attention(12, 3, context_dim=5)
    x, context = torch.randn(2, 4, 12), torch.randn(2, 7, 5)
    valid = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    torch.testing.assert_close(attention(x, context), by_hand(attention, x, context))
    torch.testing.assert_close(
        attention(x, context, key_mask(valid)),
        by_hand(attention, x, context, valid[:, None, :]),
    )


def test_a_context_projected_once_gives_what_it_gives_projected_each_time():
    torch.manual_seed(0)
    attention = Attention(8, 2, context_dim=6)
    x, context = torch.randn(2, 3, 8), torch.randn(2, 5, 6)
    torch.testing.assert_close(attention(x, attention.project(context)), attention(x, context))


@pytest.mark.parametrize(("asking", "asked"), [(3, 3), (3, 1), (1, 3)])
def test_a_single_key_is_read_alike_by_every_query_with_gradients_and_without(asking, asked):
    torch.manual_seed(0)
    attention = Attention(16, 4, context_dim=12)
    x, context = torch.randn(asking, 5, 16), torch.randn(asked, 1, 12)
    with torch.no_grad():
        found = attention(x, context)
    torch.testing.assert_close(found, attention(x, context).detach())
    torch.testing.assert_close(found, by_hand(attention, x, context).detach())
    assert found.shape == (3, 5, 16)


def test_mixed_precision_on_a_cpu_rounds_what_goes_into_attention_and_nothing_in_it():
    torch.manual_seed(0)
    query, keys, values = (torch.randn(2, 3, 9, 8).bfloat16() for _ in range(3))
    mask = key_mask(torch.rand(2, 9) > 0.3)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(query, KeysValues(keys, values), mask)
    assert found.dtype is torch.bfloat16
    exact = attend(query.float(), KeysValues(keys.float(), values.float()), mask)
    assert torch.equal(found, exact.bfloat16())


def test_masked_keys_have_no_influence():
    torch.manual_seed(0)
    block = CrossAttentionBlock(8, 2, 16, context_dim=6)
    x, context = torch.randn(1, 3, 8), torch.randn(1, 5, 6)
    mask = key_mask(torch.tensor([[True, True, False, True, False]]))
    changed = context.clone()
    changed[:, [2, 4]] = 100.0
    torch.testing.assert_close(block(x, changed, mask), block(x, context, mask))
    assert not torch.allclose(block(x, changed), block(x, context))


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(UsageError, match="10 cannot be split into 4 heads"):
        Attention(10, 4)


@given(st.integers(0, 2**31), st.floats(0.1, 100))
def test_a_new_adaln_zero_block_is_the_identity(seed, size):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    block = AdaLNZeroBlock(16, 4, 32)
    x = size * torch.randn(2, 5, 16, generator=generator)
    condition = size * torch.randn(2, 1, 16, generator=generator)
    assert torch.equal(block(x, condition), x)


def test_a_trained_adaln_zero_block_is_not_the_identity_and_depends_on_its_condition():
    torch.manual_seed(0)
    block = AdaLNZeroBlock(16, 4, 32)
    torch.nn.init.normal_(block.modulation.weight, std=0.1)
    x, a, b = torch.randn(1, 5, 16), torch.randn(1, 1, 16), torch.randn(1, 1, 16)
    assert not torch.allclose(block(x, a), x, atol=1e-3)
    assert not torch.allclose(block(x, a), block(x, b), atol=1e-3)


def test_adaptive_norm_without_weights_is_the_plain_norm():
    norm = AdaptiveLayerNorm(8)
    for parameter in norm.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(norm(x, torch.randn(2, 1, 8)), plain_norm(x))


def test_self_attention_block_mixes_tokens_as_its_mask_allows():
    torch.manual_seed(0)
    block = SelfAttentionBlock(8, 2, 16)
    x = torch.randn(1, 4, 8)
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    changed = x.clone()
    changed[:, 3] += 1
    before, after = block(x, causal), block(changed, causal)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_query_aggregation_of_the_paper_has_145920_parameters():
    aggregation = QueryAggregation(32, 2048, 8)
    assert sum(p.numel() for p in aggregation.parameters()) == 145_920
    assert aggregation(torch.randn(3, 8, 2048)).shape == (3, 32)


def test_query_aggregation_reads_all_tokens_and_no_order():
    torch.manual_seed(0)
    aggregation = QueryAggregation(8, 12, 2)
    context = torch.randn(2, 5, 12)
    whole = aggregation(context)
    torch.testing.assert_close(aggregation(context[:, [3, 1, 4, 0, 2]]), whole)
    for token in range(5):
        changed = context.clone()
        changed[:, token] = -changed[:, token]
        assert not torch.allclose(aggregation(changed), whole)
