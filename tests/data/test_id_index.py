"""Ids are found as a plain search finds them, whether there is an index yet or not."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.ids import normal_id

ids = st.text("01. ab\ud800", max_size=4)


def by_plain_search(known: list[str], asked: str) -> int | None:
    """Go through all."""
    for form in (asked, normal_id(asked)):
        if form in known:
            return known.index(form)
    return None


@given(st.lists(st.text("01. ab", max_size=4), unique=True, max_size=8), st.lists(st.lists(ids, max_size=4)))
def test_rows_are_those_of_a_plain_search(known, questions):
    index = IdIndex(pl.Series(known, dtype=pl.String))
    for asked in questions:
        assert index.rows(asked) == [by_plain_search(known, one) for one in asked]


@pytest.mark.parametrize("hashes", [[7, 7, 7, 7], [7, 7, 9, 9], [0, 2**64 - 1, 0, 2**64 - 1]])
def test_ids_of_one_hash_are_told_apart(monkeypatch, hashes):
    known = ["a", "b", "c", "d"]
    code = dict(zip(known, hashes, strict=True))

    def same(texts: pl.Series) -> pl.Series:
        return pl.Series([code.get(text, hashes[0]) for text in texts.to_list()], dtype=pl.UInt64)

    monkeypatch.setattr(pl.Series, "hash", same)
    index = IdIndex(pl.Series(known))
    assert index.rows(["a"]) == [0]
    assert index.rows([*reversed(known), "e"]) == [3, 2, 1, 0, None]


def test_who_is_asked_once_for_few_sorts_nothing():
    index = IdIndex(pl.Series(["1", "2"]))
    assert index.rows(["2", " 1", "x"]) == [1, 0, None]
    assert "_by_hash" not in vars(index)
    assert index.rows(["2", " 1", "x"]) == [1, 0, None]
    assert "_by_hash" in vars(index)
