"""Whoever has no item that the model knows gets the most popular ones, of those that may come back."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from adrec_cli.loading.recommender import Recommender


@pytest.mark.parametrize(
    ("candidates", "k", "items", "scores"),
    [
        (None, 3, [2, 4, 1], [9, 9, 5]), (None, 9, [2, 4, 1, 5, 3], [9, 9, 5, 1, 0]), (None, 0, [], []),
        ([1, 3, 5], 2, [1, 5], [5, 1]), ([3], 2, [3], [0]), ([], 2, [], []),
    ],
)  # fmt: skip
def test_they_come_by_their_events_and_then_by_their_numbers(
    candidates: list[int] | None, k: int, items: list[int], scores: list[int]
) -> None:
    known = SimpleNamespace(items=pl.DataFrame({"count": [5, 9, 0, 9, 1]}))
    given = None if candidates is None else np.array(candidates, dtype=np.int64)
    found = Recommender._popular(known, k, given)  # type: ignore[arg-type]
    assert (found.items.tolist(), found.scores.tolist()) == (items, scores)
