"""Which encoder a column gets by itself: by its name, by what it holds, and up to which bound."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from adrec_cli.content.choice import choose_encoders

TWO = [f"{'x' * 28}{number}" for number in range(2)]
COLUMNS: dict[str, tuple[list[Any], str]] = {
    "title": (["a", "b"], "tfidf"),
    "category": (["a", "b"], "categories"),
    "brand": (["a", "b"], "categories"),
    "price": ([1.5, 2.5], "numbers"),
    "a list of texts": ([["a"], ["b"]], "categories"),
    "a list of numbers": ([[1], [2]], ""),
    "whole numbers": ([1, 2, 3, 4], "numbers"),
    "yes and no": ([True, False], "categories"),
    "dates": (pl.Series(["2026-01-01", "2026-01-02"]).str.to_date().to_list(), ""),
    "texts of 30 letters": ([f"{text}x" for text in TWO], "tfidf"),
    "texts of 29 letters": (TWO, ""),
    "texts of 29 letters, each twice": (TWO * 2, "categories"),
    "texts of 30 letters on average": ([TWO[0], f"{TWO[1]}xx", None], "tfidf"),
    "half of the words are distinct": (["a", "b", "a", "b", None], "categories"),
    "more than half are": (["a", "b", "c", "a", "b"], ""),
    "one word": (["a", "a", None], ""),
    "nothing": ([None, None], ""),
    # What stands for the item itself does not describe it.
    "item_id": (["a", "b", "a", "b"], ""),
    "count": ([1, 2], ""),
}


@pytest.mark.parametrize(("column", "encoder"), [(name, encoder) for name, (_, encoder) in COLUMNS.items()])
def test_a_column_gets_the_encoder_for_what_it_holds(column: str, encoder: str) -> None:
    found = choose_encoders(pl.DataFrame({column: COLUMNS[column][0]}))
    assert [(choice.name, choice.columns) for choice in found] == ([(encoder, (column,))] if encoder else [])


def test_columns_of_one_encoder_go_together() -> None:
    table = pl.DataFrame({"brand": ["a", "b"], "price": [1, 2], "title": ["a", "b"], "category": ["c", "d"]})
    found = {choice.name: choice.columns for choice in choose_encoders(table)}
    assert found == {"categories": ("brand", "category"), "numbers": ("price",), "tfidf": ("title",)}
