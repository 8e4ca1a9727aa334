"""Values of items, looked up for some of them at a time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.item_values import ItemValues
from adrec_cli.errors import InputError

CELLS = st.lists(st.none() | st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=8)


@given(CELLS, st.data())
def test_each_item_has_the_values_of_its_cell_once(rows: list[list[str] | None], data: st.DataObject) -> None:
    cells = [None if row is None else "|".join(row) for row in rows]
    values = ItemValues.split(pl.DataFrame({"brand": cells}, schema={"brand": pl.String}), "brand")
    items = data.draw(st.lists(st.integers(1, len(rows)), max_size=8, unique=True))
    places, numbers = values.of(np.array(items, dtype=np.int64))
    assert places.tolist() == sorted(places.tolist())
    found: list[list[str]] = [[] for _ in items]
    for place, number in zip(places.tolist(), numbers.tolist(), strict=True):
        found[place].append(values.names[number])
    assert found == [list(dict.fromkeys(rows[item - 1] or [])) for item in items]
    assert found == [values.names_of(item) for item in items]


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'colour'") as raised:
        ItemValues.split(pl.DataFrame({"brand": ["a"]}), "colour")
    assert raised.value.hint == "they have: 'brand'"
