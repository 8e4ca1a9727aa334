"""What lies at a path of a nested type, against walking a value along the same path."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.reading.unfolding import leaf_type

PLAIN = st.sampled_from([pl.Int64(), pl.String(), pl.Float64(), pl.Boolean()])
NAMES = st.sampled_from("abcd")


def structs(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(NAMES, inner, min_size=1, max_size=4)
    return fields.flatmap(lambda made: st.permutations(list(made.items())).map(lambda pairs: pl.Struct(dict(pairs))))


TYPES = st.recursive(PLAIN, lambda inner: structs(inner) | inner.map(pl.List) | inner.map(lambda i: pl.Array(i, 2)))


def plainly(dtype: Any, path: list[str]) -> Any:
    """Return the same, one step after the other, without a list of the passed ones."""
    if not path:
        return dtype
    if isinstance(dtype, pl.List | pl.Array):
        return pl.List(plainly(dtype.inner, path))
    fields = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
    return plainly(fields.get(path[0], pl.String()), path[1:])


@given(TYPES, st.lists(NAMES, max_size=1))
def test_a_step_leads_to_the_field_of_its_name(dtype: Any, path: list[str]) -> None:
    assert leaf_type(dtype, path) == plainly(dtype, path)


@given(structs(structs(PLAIN)), NAMES, NAMES)
def test_steps_through_structs_follow_each_other(dtype: Any, first: str, second: str) -> None:
    assert leaf_type(dtype, [first, second]) == plainly(dtype, [first, second])
