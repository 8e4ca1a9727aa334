"""Figures of lists against hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from adrec_cli.ranking import beyond_accuracy
from adrec_cli.ranking.beyond_accuracy import (
    BeyondAccuracy,
    category_codes,
    count_recommended,
    coverage,
    gini,
    history_means,
    intra_list_diversity,
    list_means,
    self_information,
)

TRAIN = np.array([0, 8, 4, 2, 2, 0])
"""Train events of items 1..5, padding first."""
LISTS = np.array([[1, 2, 3], [1, 4, 0], [1, 2, 5]])


def test_coverage_is_the_share_of_items_in_any_list():
    assert count_recommended(LISTS, 5).tolist() == [0, 3, 2, 1, 1, 1]
    assert coverage(count_recommended(LISTS, 5)) == 1.0
    assert coverage(count_recommended(LISTS[:2], 5)) == 4 / 5


def test_gini():
    assert gini(np.array([0, 3, 3, 3])) == 0.0
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(2 / 3)
    # Half the mean absolute difference over the mean: differences of 1 and 3 in both orders, mean 2.
    assert gini(np.array([0, 1, 3])) == pytest.approx((2 * 2) / 4 / (2 * 2))
    values = np.random.default_rng(0).integers(0, 20, size=40)
    slow = np.abs(values[:, None] - values[None, :]).mean() / (2 * values.mean())
    assert gini(np.concatenate([[0], values])) == pytest.approx(slow)
    assert gini(np.zeros(4, dtype=np.int64)) == 0.0


def test_novelty_in_bits():
    bits = self_information(TRAIN)
    # 16 train events: 8 of 16 is one bit, 4 are two, 2 are three, and none counts as one of 16, four bits.
    assert bits[1:].tolist() == [1, 2, 3, 3, 4]
    assert list_means(LISTS, bits).tolist() == [2.0, 2.0, 7 / 3]


def test_popularity_of_lists_and_of_histories():
    assert list_means(LISTS, TRAIN).tolist() == pytest.approx([14 / 3, 5, 4])
    assert np.isnan(list_means(np.array([[0, 0]]), TRAIN)).all()
    items = np.array([1, 2, 3, 5, 4], dtype=np.int32)
    means = history_means(items, np.array([0, 3, 0]), np.array([2, 5, 5]), TRAIN)
    assert means.tolist() == pytest.approx([6, 1, 16 / 5])


def test_diversity_is_the_mean_jaccard_distance_of_pairs():
    codes = category_codes(pl.Series(["Comedy|Drama", "Drama", None, "", "Horror", "Drama|Comedy|Comedy"]))
    assert (codes[0] == 0).all()
    assert (codes[3] == 0).all()
    assert (codes[4] == 0).all()

    def diversity(*items: int) -> float:
        return float(intra_list_diversity(np.array([items]), codes)[0])

    assert diversity(1, 2) == 1 - 1 / 2
    assert diversity(1, 6) == 0.0
    assert diversity(1, 5) == 1.0
    assert diversity(1, 2, 5) == pytest.approx((1 / 2 + 1 + 1) / 3)
    # Nothing is known of item 3, and 0 is the end of a list.
    assert diversity(1, 3, 2, 0) == 1 / 2
    assert math.isnan(diversity(1, 3))
    assert math.isnan(diversity(1, 0))
    assert category_codes(pl.Series([None, ""], dtype=pl.String)).tolist() == [[0], [0], [0]]


def test_diversity_in_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    codes = category_codes(pl.Series(["|".join(rng.choice(list("abcde"), size=rng.integers(0, 4))) for _ in range(30)]))
    lists = rng.integers(0, 31, size=(50, 7))
    whole = intra_list_diversity(lists, codes)
    monkeypatch.setattr(beyond_accuracy, "_CHUNK_ENTRIES", 1)
    assert np.array_equal(intra_list_diversity(lists, codes), whole, equal_nan=True)
    names = [set(row[row > 0].tolist()) for row in codes]
    for row, found in zip(lists.tolist(), whole.tolist(), strict=True):
        known = [names[item] for item in row if names[item]]
        pairs = [1 - len(a & b) / len(a | b) for i, a in enumerate(known) for b in known[:i]]
        assert found == pytest.approx(np.mean(pairs)) if pairs else math.isnan(found)


def test_batches_add_up_to_the_whole():
    codes = category_codes(pl.Series(["a", "b", "a", "b", "c"]))
    whole = BeyondAccuracy(TRAIN, 3, (1, 3), codes)
    whole.add(np.arange(3), LISTS)
    parts = BeyondAccuracy(TRAIN, 3, (1, 3), codes)
    for number in (2, 0, 1):
        parts.add(np.array([number]), LISTS[[number]])
    history, targets = np.array([4.0, 6.0, 5.0]), np.array([0, 2, 4])
    table = whole.table(history, targets)
    assert parts.table(history, targets) == table
    assert table["coverage@1"] == 1 / 5
    assert table["gini@1"] == pytest.approx(4 / 5)
    assert table["novelty@1"] == 1.0
    assert table["popularity@3"] == pytest.approx((14 / 3 + 5 + 4) / 3)
    assert (table["history_popularity"], table["target_popularity"]) == (5.0, 2.0)
    assert table["popularity_lift@1"] == pytest.approx(8 / 5 - 1)
    assert table["diversity@3"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert "diversity@1" not in table, "one item is not a pair"


def test_without_categories_nothing_is_said_about_diversity():
    figures = BeyondAccuracy(TRAIN, 3, (3,))
    figures.add(np.arange(3), LISTS)
    assert not [name for name in figures.table(np.ones(3), np.ones(3)) if "diversity" in name]
