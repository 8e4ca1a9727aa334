"""Slices: where the lines are drawn, and that two of a pair make up all."""

from __future__ import annotations

import numpy as np
import pytest

from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.slices import slice_table, slices_of, top_threshold

CATALOGUE = np.array([100, 50, 50, 9, 8, 7, 6, 5, 0, 0])
"""Train events of ten items; two of them may be head, but two are equal at the border."""


def test_at_most_a_fifth_lies_above_the_threshold():
    assert top_threshold(np.arange(1, 11)) == 8
    assert top_threshold(CATALOGUE) == 50
    assert top_threshold(np.full(7, 3)) == 3
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.integers(0, 9, size=rng.integers(1, 60))
        threshold = top_threshold(values)
        assert (values > threshold).sum() <= 0.2 * len(values)
        assert (values >= threshold).sum() > 0.2 * len(values), "a lower one would be too low"


def test_slices_by_item_history_and_training():
    counts, lengths = np.array([100, 50, 0, 9, 0]), np.array([2, 3, 4, 5, 9])
    repeated = np.array([True, False, False, True, False])
    found = slices_of(counts, lengths, CATALOGUE, repeated)
    assert found["repeat"].chosen.tolist() == repeated.tolist()
    assert {name: part.chosen.tolist() for name, part in found.items() if name in ("head", "long", "cold")} == {
        "head": [True, False, False, False, False],
        "long": [False, False, False, False, True],
        "cold": [False, False, True, False, True],
    }
    for one, other in (("head", "tail"), ("long", "short"), ("warm", "cold"), ("repeat", "explore")):
        assert (found[one].chosen ^ found[other].chosen).all()
    assert "1 of 10 items, 43% of the events" in found["head"].definition


def test_metrics_without_cold_targets_and_on_them():
    ranks, users = np.array([1, 2, 900, 4, 3]), np.array([0, 1, 2, 3, 3])
    options = {
        "history_lengths": np.full(5, 4),
        "item_counts": CATALOGUE,
        "repeated": np.array([True, False, True, False, False]),
    }
    table = slice_table(ranks, users, target_counts=np.array([9, 9, 0, 9, 0]), **options)
    assert table["warm"]["metrics"] == metric_table(ranks[[0, 1, 3]], users[[0, 1, 3]])
    assert table["cold"]["metrics"]["hr@5"] == 0.5
    assert (table["cold"]["users"], table["cold"]["cases"]) == (2, 2)
    assert table["repeat"]["metrics"] == metric_table(ranks[[0, 2]], users[[0, 2]])
    low, high = table["warm"]["intervals"]["ndcg@5"]
    assert low <= table["warm"]["metrics"]["ndcg@5"] <= high
    # Histories of one length: none is long.
    assert (table["long"]["cases"], table["long"]["metrics"]) == (0, {})
    assert table["short"]["metrics"] == pytest.approx(metric_table(ranks, users))
