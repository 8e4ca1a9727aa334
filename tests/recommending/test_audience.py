"""Newest events stand behind the histories of those they are of, and nobody else's history changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.loading.recommender import Histories
from adrec_cli.recommending.audience import _lengthen

lists = st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=6)


def as_histories(lists_of_items: list[list[int]]) -> Histories:
    ends = np.cumsum([len(items) for items in lists_of_items], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    flat = [item for items in lists_of_items for item in items]
    return Histories(items=np.array(flat, dtype=np.int32), starts=starts, ends=ends)


@given(lists, st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), max_size=8))
def test_histories_with_items_behind_them(before, newest):
    newest = [(owner % len(before), item) for owner, item in newest]
    own = as_histories(before)
    owner = np.array([owner for owner, _ in newest], dtype=np.int64)
    longer = _lengthen(own, owner, np.array([item for _, item in newest], dtype=np.int32))
    for owner_, item in newest:
        before[owner_] = [*before[owner_], item]
    assert [longer.of(number).tolist() for number in range(len(before))] == before
    assert newest or longer is own, "nothing new, nothing copied"
