"""Values of a cell are the same whoever reads them: filters, caps, content, metrics, other forms."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.content import categories
from adrec_cli.data.cell_values import split_values
from adrec_cli.data.item_values import ItemValues
from adrec_cli.ranking.beyond_accuracy import category_codes
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID
from adrec_cli.serving.choice import Catalogue, Choice

words = st.text(st.sampled_from("aB 1é"), max_size=4)
cells = st.none() | st.lists(words, max_size=4)


@given(st.lists(cells, min_size=1, max_size=12))
def test_texts_and_lists_have_the_same_values(rows: list[list[str] | None]) -> None:
    expected = [[word.strip() for word in row or [] if word.strip()] for row in rows]
    texts = pl.Series(CATEGORY, [None if row is None else "|".join(row) for row in rows], dtype=pl.String)
    lists = pl.Series(CATEGORY, rows, dtype=pl.List(pl.String))
    for column in (texts, lists):
        assert split_values(column).to_list() == expected
        values = ItemValues.split(column.to_frame(), CATEGORY)
        assert [values.names_of(item) for item in range(1, len(rows) + 1)] == [
            list(dict.fromkeys(row)) for row in expected
        ]


@pytest.mark.parametrize(
    "column", [pl.Series(CATEGORY, [["a", "b "], ["c"], None]), pl.Series(CATEGORY, ["a | b", "c", None])]
)
def test_whoever_reads_categories_finds_the_same(column: pl.Series) -> None:
    items = pl.DataFrame({ITEM_ID: ["x", "y", "z"], COUNT: [1, 1, 1]}).with_columns(column)
    for name, found in (("a", [1]), ("b", [1]), ("c", [2])):
        for allowed, _ in (
            ItemChoice(categories=(name,)).indices(items),
            Catalogue(items).find_allowed(Choice(categories=(name,))),
        ):
            assert allowed is not None
            assert allowed.tolist() == found
    assert (category_codes(column) > 0).sum(axis=1).tolist() == [0, 2, 1, 0]
    state = categories.fit(items.select(CATEGORY), 8)
    assert (categories.encode(items.select(CATEGORY), state) > 0).sum(axis=1).tolist() == [2, 1, 0]
