"""Ids are found as a plain search finds them, whether there is an index yet or not."""

from __future__ import annotations

import polars as pl
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


def test_who_is_asked_once_for_few_sorts_nothing():
    index = IdIndex(pl.Series(["1", "2"]))
    assert index.rows(["2", " 1", "x"]) == [1, 0, None]
    assert "_order" not in vars(index)
    assert index.rows(["2", " 1", "x"]) == [1, 0, None]
    assert "_order" in vars(index)


@given(
    st.lists(
        st.text(st.sampled_from("a\x00\x7f\x80\u07ff\ud7ff\ue000\uffff\U00010000\U0010ffff")), unique=True, min_size=1
    )
)
def test_sorted_ids_are_found_whatever_letters_they_have(known):
    index = IdIndex(pl.Series(known, dtype=pl.String))
    for _ in range(2):
        assert index.rows(known) == list(range(len(known)))


def test_few_are_looked_up_and_many_gone_through(monkeypatch):
    known = [str(number) for number in range(20_000)]
    index = IdIndex(pl.Series(known))
    index.rows(["1"])
    gone_through = []
    monkeypatch.setattr(index, "_scan", lambda texts, scan=index._scan: gone_through.append(len(texts)) or scan(texts))
    for count in (1, 64, 78, 79, 20_000):
        assert index.rows(known[-count:]) == list(range(20_000 - count, 20_000))
    assert gone_through == [79, 20_000]
