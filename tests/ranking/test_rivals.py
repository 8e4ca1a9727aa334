"""Drawn negatives are those that testing all again and again would leave."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.sequences import Sequences
from adrec_cli.ranking import rivals
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.rivals import draw_negatives
from tests.reference.negatives import drawn_negatives

ITEMS = 12
histories = st.lists(
    st.lists(st.integers(1, ITEMS), min_size=1, max_size=11), min_size=1, max_size=8
).filter(lambda found: any(len(history) > 2 for history in found))  # fmt: skip


def of(lists: list[list[int]]) -> Sequences:
    lengths = np.array([len(history) for history in lists])
    held_out = np.where(lengths > 2, 1, 0)
    return Sequences(
        user_ids=pl.Series([f"u{number}" for number in range(len(lists))]),
        items=np.array([item for history in lists for item in history], dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths - 2 * held_out, valid_end=lengths - held_out, item_count=ITEMS,
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 7, 2**20])
@given(lists=histories, count=st.integers(0, 6), seed=st.integers(0, 9), some=st.integers(1, 8))
def test_the_same_are_drawn(at_once, lists, count, seed, some):
    sequences = of(lists)
    cases = select_cases(sequences, "valid").draw(some, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "_KEYS_AT_ONCE", at_once)
        found = draw_negatives(sequences, cases, count, seed)
    assert found.tolist() == drawn_negatives(sequences, cases, count, seed).tolist()
