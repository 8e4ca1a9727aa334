"""Attention as a GPU computes it, in few kernels, against attention spelt out."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.layers.attention import CausalSelfAttention, KeyValueCache, make_packed_causal_mask, spread_over_heads
from adrec_cli.layers.dropout import draws
from adrec_cli.layers.padding_key import mask_with_padding_key


def masks() -> dict[str, torch.Tensor]:
    segments_RL = torch.tensor([[1, 1, 2, 2, 2, 0], [3, 3, 3, 3, 0, 0]])
    packed = make_packed_causal_mask(segments_RL)
    bias_RL = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    return {"packed": packed, "spread": spread_over_heads(packed, 4), "key": mask_with_padding_key(packed, bias_RL)}


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("name", masks())
def test_products_that_scale_and_mask_give_the_same(name, drops):
    attention = CausalSelfAttention(16, 4, 0.5)
    hidden = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    drawn = draws((2, 4, 6, 6), torch.Generator().manual_seed(2)) if drops else None
    found = attention.attend_in_products(hidden, masks()[name], None if drawn is None else drawn.view(8, 6, 6))
    expected = attention._attend(*attention._project(hidden), masks()[name], drawn)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    gradient = attention.qkv.weight.grad.clone()
    attention.zero_grad()
    expected.square().sum().backward()
    torch.testing.assert_close(gradient, attention.qkv.weight.grad)


@pytest.mark.parametrize("slots", [3, 30])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("key", [False, True])
def test_a_new_token_takes_the_same_in_products(slots, padded, key):
    generator = torch.Generator().manual_seed(slots)
    keys, values = torch.randn(2, 5, slots, 4, 8, generator=generator)
    lengths = torch.tensor([1, 2, slots, 2, 1]) if padded else None
    cache = KeyValueCache.of(keys, values, lengths, torch.randn(5, generator=generator) if key else None)
    for part in (cache.keys_SBHd, cache.values_SBHd):
        part[-1] = torch.randn(5, 4, 8, generator=generator)
    for _ in range(2):
        query = torch.randn(5, 4, 8, generator=generator)
        torch.testing.assert_close(cache.attend_in_products(query), cache.attend(query))
