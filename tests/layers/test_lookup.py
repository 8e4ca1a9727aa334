"""Lookups whose gradients are added up in few kernels, against `F.embedding`."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.layers.lookup import lookup_of_few, lookup_sorted, multiply_lookup
from tests.examples import tries


@settings(max_examples=tries(40), deadline=None)
@given(rows=st.lists(st.integers(0, 6), min_size=1, max_size=40), items=st.integers(6, 9), seed=st.integers(0, 99))
def test_a_sorted_lookup_has_the_gradient_of_an_embedding(rows, items, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor(rows)
    table, other = (torch.randn(items + 1, 3, dtype=torch.float64) for _ in range(2))
    other.copy_(table)
    weights = torch.randn(len(rows), 3, generator=generator, dtype=torch.float64)
    found = lookup_sorted(rows, table.requires_grad_(), rows.argsort(stable=True))
    expected = F.embedding(rows, other.requires_grad_(), padding_idx=0)
    assert torch.equal(found, expected)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(table.grad, other.grad)
    assert not table.grad[0].any()


def test_a_lookup_in_a_table_of_few_rows_keeps_shapes_values_and_gradient():
    rows = torch.randint(5, (4, 7), generator=torch.Generator().manual_seed(0))
    table, other = (torch.arange(15.0).view(5, 3).requires_grad_() for _ in range(2))
    found, expected = multiply_lookup(rows, table), F.embedding(rows, other)
    assert torch.equal(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(table.grad, other.grad)
    assert torch.equal(lookup_of_few(rows, table), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_lookup_keeps_the_values_of_the_table_in_half_precision(dtype):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        table = torch.full((2, 1), 1.001).to(dtype)
        assert torch.equal(multiply_lookup(torch.tensor([1]), table), table[1:])
