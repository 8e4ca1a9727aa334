"""Scores of all items are the same inner products, whichever kernel computes them."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.ranking import products
from adrec_cli.ranking.products import score_items
from tests.examples import tries


@settings(max_examples=tries(60), deadline=None)
@given(
    rows=st.integers(1, 12), items=st.integers(1, 50), width=st.integers(1, 9), few=st.integers(1, 12),
    many=st.integers(1, 200), wide=st.integers(1, 9), at_once=st.integers(1, 20), seed=st.integers(0, 1000),
)  # fmt: skip
def test_scores_are_inner_products_whatever_their_number(rows, items, width, few, many, wide, at_once, seed):
    random = torch.Generator().manual_seed(seed)
    representation_RD = torch.randn(rows, width, generator=random)
    items_CD = torch.randn(items + 1, width, generator=random)[1:]
    out_RC = torch.full((rows, items), torch.nan)
    with patch.multiple(
        products, _FEW_ROWS=few, _MANY_ENTRIES=many, _WIDE=wide, _SOME_ENTRIES=many, _ITEMS_AT_ONCE=at_once
    ):
        found_RC = score_items(representation_RD, items_CD, out_RC)
    expected_RC = representation_RD.double() @ items_CD.double().T
    torch.testing.assert_close(found_RC.double(), expected_RC, rtol=1e-5, atol=1e-5)
    assert found_RC.data_ptr() == out_RC.data_ptr()


@pytest.mark.parametrize(("threads", "numpy"), [(1, True), (2, False)])
def test_one_row_of_wide_vectors_is_left_to_numpy_where_it_has_the_only_thread(threads, numpy, monkeypatch):
    asked = []
    monkeypatch.setattr(np, "einsum", lambda *args, out: asked.append(out))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    items_CD = torch.zeros(products._SOME_ENTRIES // products._WIDE, products._WIDE)
    score_items(torch.zeros(1, products._WIDE), items_CD, torch.zeros(1, len(items_CD)))
    assert bool(asked) == numpy
