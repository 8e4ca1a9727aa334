"""Neighbours in train: how they are counted, what their information says, and that held-out events say nothing."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.content import cooccurrence
from adrec_cli.content.cooccurrence import WINDOW, count_neighbours, list_neighbours
from adrec_cli.content.encoders import fit_encoder
from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import InputError, UsageError
from adrec_cli.schema import TRAIN_EVENTS
from tests.examples import tries

pytest.importorskip("sklearn", reason="the extra text is not installed")
sparse = pytest.importorskip("scipy.sparse")

ITEMS = 9
histories = st.lists(st.lists(st.integers(1, ITEMS), max_size=15), max_size=6)
ends = st.lists(st.integers(0, 15), min_size=6, max_size=6)


def made(rows: list[list[int]], train_ends: list[int] | None = None, items: int = ITEMS) -> Sequences:
    """Return sequences of rows of item indices, all of them train events unless ends are given."""
    lengths = [len(row) for row in rows]
    ends = lengths if train_ends is None else [min(n, end) for n, end in zip(lengths, train_ends, strict=False)]
    return Sequences(
        user_ids=pl.Series([str(n) for n in range(len(rows))], dtype=pl.String),
        items=np.array([item for row in rows for item in row], dtype=np.int32),
        offsets=np.cumsum([0, *lengths]),
        train_end=np.array(ends, dtype=np.int64),
        valid_end=np.array(lengths, dtype=np.int64),
        item_count=items,
    )


def plain_counts(rows: list[list[int]], train_ends: list[int]) -> dict[tuple[int, int], float]:
    """Return what `count_neighbours` does, one pair of events after the other."""
    near: dict[tuple[int, int], float] = defaultdict(float)
    for row, end in zip(rows, train_ends, strict=False):
        events = row[:end]
        for a, first in enumerate(events):
            for b, second in enumerate(events):
                if a != b and first != second and abs(a - b) <= WINDOW:
                    near[first - 1, second - 1] += 1 / abs(a - b)
    return near


@settings(max_examples=tries(60), deadline=None)
@given(rows=histories, train_ends=ends)
def test_neighbours_are_counted_as_one_pair_after_the_other(rows: list[list[int]], train_ends: list[int]) -> None:
    expected = np.zeros((ITEMS, ITEMS))
    for place, weight in plain_counts(rows, train_ends).items():
        expected[place] = weight
    np.testing.assert_allclose(count_neighbours(made(rows, train_ends)).toarray(), expected, rtol=1e-9)


def plain_information(near: dict[tuple[int, int], float]) -> np.ndarray[Any, Any]:
    """Return the positive pointwise mutual information of all pairs, one after the other."""
    totals = [sum(weight for (first, _), weight in near.items() if first == item) for item in range(ITEMS)]
    smoothed = [total**0.75 for total in totals]
    found = np.zeros((ITEMS, ITEMS))
    for (first, second), weight in near.items():
        share = weight / totals[first] / (smoothed[second] / sum(smoothed))
        found[first, second] = max(0.0, math.log(share))
    return found


def encoded(sequences: Sequences, ids: pl.Series, *, width: int = ITEMS) -> np.ndarray[Any, Any]:
    """Return the vectors of items, fitted to these same sequences."""
    table = list_neighbours(sequences, ids).to_frame()
    return fit_encoder("cooccurrence", [TRAIN_EVENTS], table, width=width).encode(table)


@settings(max_examples=tries(40), deadline=None)
@given(rows=histories)
def test_vectors_are_those_of_the_whole_decomposition(rows: list[list[int]]) -> None:
    """With all directions kept, products of vectors are those of U S^(1/2) of a dense decomposition."""
    information = plain_information(plain_counts(rows, [len(row) for row in rows]))
    left, sizes, _ = np.linalg.svd(information)
    if sizes[0] < 1e-9:
        return
    # A direction of which there is next to nothing may be kept or not.
    if ((sizes > 1e-9 * sizes[0]) & (sizes < 1e-3 * sizes[0])).any():
        return
    plain = left * np.sqrt(np.where(sizes > 1e-6 * sizes[0], sizes, 0))
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    plain = np.where(lengths > 1e-6, plain / np.maximum(lengths, 1e-6), 0)
    found = encoded(made(rows), pl.Series([f"i{n}" for n in range(ITEMS)]))
    np.testing.assert_allclose(found @ found.T, plain @ plain.T, atol=1e-4)


def test_items_with_the_same_neighbours_lie_together_though_nobody_has_both() -> None:
    rows = [[1, 3], [1, 4], [2, 3], [2, 4], [5, 6], [5, 7], [8, 6], [8, 7]]
    vectors = encoded(made(rows), pl.Series([f"i{n}" for n in range(ITEMS)]))
    assert vectors[0] @ vectors[1] > 0.99
    assert abs(vectors[0] @ vectors[4]) < 0.01
    assert not vectors[8].any(), "nobody has it"


@settings(max_examples=tries(30), deadline=None)
@given(rows=histories, train_ends=ends, others=st.lists(st.integers(1, ITEMS), min_size=90, max_size=90))
def test_held_out_events_change_nothing(rows: list[list[int]], train_ends: list[int], others: list[int]) -> None:
    ids = pl.Series([f"i{n}" for n in range(ITEMS)])
    fresh = iter(others)
    changed = [
        [item if place < end else next(fresh) for place, item in enumerate(row)]
        for row, end in zip(rows, train_ends, strict=False)
    ]
    assert list_neighbours(made(rows, train_ends), ids).equals(list_neighbours(made(changed, train_ends), ids))


def test_later_events_lie_in_the_same_space() -> None:
    """An item's neighbours are looked up by id, so that another order of items, and new ones, do not matter."""
    ids = pl.Series(["a\nb", "a\\nb", "ü", "d", "e"])
    before = list_neighbours(made([[1, 2, 3], [2, 3, 4]], items=5), ids).to_frame()
    encoder = fit_encoder("cooccurrence", [TRAIN_EVENTS], before)
    order = [4, 2, 0, 1, 3]
    place = {old + 1: new + 1 for new, old in enumerate(order)}
    place[6] = 6
    rows = [[place[item] for item in row] for row in [[1, 2, 3], [2, 3, 4], [6, 2], [6]]]
    table = list_neighbours(made(rows, items=6), pl.concat([ids.gather(order), pl.Series(["new"])])).to_frame()
    now = encoder.encode(table)
    was = encoder.encode(before)
    np.testing.assert_allclose(now[:5], was[order], atol=1e-6)
    assert now[5].any(), "its neighbour is known"
    assert not encoder.encode(pl.DataFrame({"title": ["unheard of"]})).any()


def test_rare_contexts_are_left_out_and_of_equals_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "MOST_CONTEXTS", 2)
    table = list_neighbours(made([[1, 2], [1, 2], [3, 4]]), pl.Series([f"i{n}" for n in range(ITEMS)])).to_frame()
    encoder = fit_encoder("cooccurrence", [TRAIN_EVENTS], table)
    assert encoder.state["ids"].tobytes() == b"i0\ni1\n"
    assert encoder.encode(table).any(axis=1).tolist() == [True, True] + [False] * 7


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (40, 40), (1, 5), (5, 1)])
def test_directions_are_those_of_a_dense_decomposition_and_do_not_depend_on_blocks(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    dense = rng.exponential(size=shape) * (rng.random(shape) < 0.5) * np.geomspace(1, 0.01, shape[1])
    sizes, directions = cooccurrence.find_directions(sparse.csr_matrix(dense), 6)
    _, expected, rows = np.linalg.svd(dense, full_matrices=False)
    np.testing.assert_allclose(sizes, expected[: len(sizes)], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(np.abs((directions * rows[: len(sizes)]).sum(axis=1)), 1, atol=1e-5)
    assert (directions[np.arange(len(sizes)), np.abs(directions).argmax(axis=1)] > 0).all()
    monkeypatch.setattr(cooccurrence, "_ROWS_AT_ONCE", 7)
    again = cooccurrence.find_directions(sparse.csr_matrix(dense), 6)
    np.testing.assert_allclose(again[1], directions, atol=1e-6)


def test_pairs_are_weighed_alike_however_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sequences = made([rng.integers(1, ITEMS + 1, 12).tolist() for _ in range(5)])
    ids = pl.Series([f"i{n}" for n in range(ITEMS)])
    whole = encoded(sequences, ids)
    monkeypatch.setattr(cooccurrence, "_PAIRS_AT_ONCE", 3)
    assert np.array_equal(encoded(sequences, ids), whole)


@pytest.mark.parametrize("rows", [[], [[1]], [[2, 2, 2]], [[1], [2], [3]]])
def test_where_no_two_items_are_near_it_is_refused(rows: list[list[int]]) -> None:
    with pytest.raises(InputError, match="no two items stand near each other"):
        encoded(made(rows), pl.Series([f"i{n}" for n in range(ITEMS)]))


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(UsageError, match="needs scikit-learn"):
        count_neighbours(made([[1, 2]]))
