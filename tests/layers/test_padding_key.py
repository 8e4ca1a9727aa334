"""One key with a bias is as many equal keys."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adrec_cli.layers.padding_key import causal_mask_with_padding_key, padding_bias


@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_one_key_with_a_bias_takes_what_equal_keys_take_together(count):
    generator = torch.Generator().manual_seed(0)
    query, keys, values = (torch.randn(1, 1, 4, 8, generator=generator) for _ in range(3))
    padding_key, padding_value = (torch.randn(1, 1, 1, 8, generator=generator) for _ in range(2))
    many = (torch.cat([part[0].expand(-1, count, -1).unsqueeze(0), whole], dim=2) for part, whole in
            ((padding_key, keys), (padding_value, values)))  # fmt: skip
    expected = F.scaled_dot_product_attention(query, *many)
    mask = F.pad(torch.zeros(4, 4), (1, 0), value=padding_bias(torch.tensor(count)).item())
    ones = (torch.cat(pair, dim=2) for pair in ((padding_key, keys), (padding_value, values)))
    torch.testing.assert_close(F.scaled_dot_product_attention(query, *ones, attn_mask=mask), expected)


def test_the_mask_of_histories_is_causal_but_for_its_first_column():
    mask = causal_mask_with_padding_key(3, padding_bias(torch.tensor([5, 0])))
    hidden = float("-inf")
    log5 = torch.tensor(5.0).log().item()
    expected = torch.tensor(
        [
            [[log5, hidden, hidden], [log5, 0.0, hidden], [log5, 0.0, 0.0]],
            [[-1e9, hidden, hidden], [-1e9, 0.0, hidden], [-1e9, 0.0, 0.0]],
        ]
    )
    torch.testing.assert_close(mask[:, 0], expected)
