"""The bias of gaps against loops over heads, queries and keys."""

from __future__ import annotations

import torch
from hypothesis import example, given
from hypothesis import strategies as st

from adrec_cli.layers.attention import CausalSelfAttention, make_packed_causal_mask
from adrec_cli.layers.gaps import GAPS, GapBias, add_bias, bucket_gaps

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
@example([2**n - 1 for n in range(40)])
@example([2**n for n in range(40)])
def test_a_bucket_is_the_number_of_binary_digits(gaps):
    expected = [min(max(gap, 0).bit_length(), GAPS - 1) for gap in gaps]
    assert bucket_gaps(torch.tensor(gaps)).tolist() == expected


def made(heads: int = 2, length: int = 6) -> GapBias:
    bias = GapBias(heads=heads, length=length)
    generator = torch.Generator().manual_seed(1)
    for weight in bias.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return bias


def by_hand(bias: GapBias, seconds: list[int]) -> torch.Tensor:
    """bias_HLL, of one sequence; what a query does not see is minus infinity."""
    heads, length = bias.gap_GH.shape[1], len(seconds)
    expected = torch.full((heads, length, length), float("-inf"))
    for head in range(heads):
        for at in range(length):
            for seen in range(at + 1):
                gap = min((seconds[at] - seconds[seen]).bit_length(), GAPS - 1)
                expected[head, at, seen] = bias.gap_GH[gap, head] + bias.distance_LH[at - seen, head]
    return expected.detach()


def test_each_packed_sequence_is_biased_as_by_hand():
    bias = made()
    first, second = [50, 50, 53, 4_000, 10**9, 10**9 + 1], [7, 90, 91]
    seconds_RL = torch.tensor([[*first, *second, 0, 0]])
    visible = make_packed_causal_mask(torch.tensor([[*[1] * 6, *[2] * 3, 0, 0]]))
    mask = add_bias(visible, bias(seconds_RL))
    assert mask.shape == (1, 2, 11, 11)
    assert mask.is_contiguous()
    assert torch.equal(mask.isneginf(), ~visible.expand_as(mask))
    for mine, seconds in ((slice(0, 6), first), (slice(6, 9), second)):
        torch.testing.assert_close(mask[0, :, mine, mine].detach(), by_hand(bias, seconds), **CLOSE)
        alone = add_bias(None, bias(torch.tensor([seconds])))
        torch.testing.assert_close(alone[0].detach(), by_hand(bias, seconds), **CLOSE)


def test_attention_weighs_by_the_bias_of_each_head():
    bias, seconds = made(), [3, 8, 8, 700]
    attention = CausalSelfAttention(8, 2, 0.0)
    hidden = torch.randn(1, 4, 8, generator=torch.Generator().manual_seed(2))
    found = attention(hidden, add_bias(None, bias(torch.tensor([seconds]))), None)
    query, key, value = attention.qkv(hidden[0]).split(8, dim=1)
    attended = torch.zeros(4, 8)
    for number, head in enumerate((slice(0, 4), slice(4, 8))):
        scores = query[:, head] @ key[:, head].T / 2 + by_hand(bias, seconds)[number]
        attended[:, head] = scores.softmax(dim=1) @ value[:, head]
    torch.testing.assert_close(found[0], attention.out(attended), **CLOSE)


def test_a_mask_of_numbers_is_added_to():
    bias = made()(torch.tensor([[1, 2, 9]]))
    visible = torch.ones(1, 1, 3, 3, dtype=torch.bool).tril()
    number = torch.zeros(1, 1, 3, 3).masked_fill(~visible, float("-inf"))
    number[..., 0] += 0.5
    expected = add_bias(visible, bias)
    expected[..., 0] += 0.5
    torch.testing.assert_close(add_bias(number, bias), expected)
    assert add_bias(visible, None) is visible


def test_what_was_learned_can_be_forgotten():
    bias = made()
    bias.initialize()
    assert not bias(torch.tensor([[1, 2, 9]])).any()
