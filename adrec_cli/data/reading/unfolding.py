"""From rows that hold lists to one row per event: where each column comes from, and the query for it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from adrec_cli.data.reading.list_cells import split_cells
from adrec_cli.data.reading.table import Leaf, Unfolding

RECORD: Final = "record"
POSITION: Final = "position"
PART: Final = "part"
BLANK: Final = "blank"
OVERFLOW: Final = "overflow"
# Empty lists are filtered out before; some versions of polars warn unless they are given an option for them.
_EXPLODE: Final[dict[str, Any]] = (
    {"empty_as_null": False} if "empty_as_null" in inspect.signature(pl.LazyFrame.explode).parameters else {}
)


def unfold_rows(rows: pl.LazyFrame, unfolding: Unfolding, positions: Sequence[int]) -> pl.LazyFrame:
    """Return one row per event.

    A row whose lists differ in length, or whose list cannot be read, becomes one event without an item that overflows;
    a row with an empty list becomes none.

    Args:
        rows: as a scan gives them, with the columns `unfolding.places(positions)`, `blank` and `overflow`.
        unfolding: where the columns come from.
        positions: of the columns of events that are wanted.

    Returns:
        columns `c0`, ... after their position, `blank`, `overflow`, `record` (of the row, from 0), `position` (in the
        list, from 0) and `part` (0 train, 1 valid, 2 test).
    """
    schema = rows.collect_schema()
    values = {f"c{p}": _value(unfolding.leaves[p], schema) for p in positions}
    rows = rows.with_row_index(RECORD).with_columns(pl.col(RECORD).cast(pl.Int64))
    if unfolding.item is None:
        nothing = pl.lit(0, dtype=pl.Int64).alias(POSITION), pl.lit(0, dtype=pl.Int8).alias(PART)
        return rows.select(BLANK, OVERFLOW, RECORD, *nothing, **values)
    leaf = unfolding.leaves[unfolding.item]
    items, ends = _value(leaf, schema), []
    if unfolding.held_out is not None:
        inner = _inner(schema[f"c{leaf.place}"])
        parts = [items, *(_as_list(unfolding.leaves[p], schema, inner) for p in unfolding.held_out)]
        lengths = [part.list.len().cast(pl.Int64).fill_null(0) for part in parts]
        ends = [lengths[0], lengths[0] + lengths[1]]
        items = pl.concat_list(part.fill_null(pl.lit(pl.Series([[]], dtype=pl.List(inner)))) for part in parts)
        if f"c{unfolding.item}" in values:
            values[f"c{unfolding.item}"] = items
    lists = [f"c{p}" for p in positions if unfolding.leaves[p].cells != "value"]
    wrong = _unreadable(leaf, schema)
    for name in lists:
        wrong = wrong | values[name].list.len().ne_missing(items.list.len())
    rows = rows.select(
        BLANK,
        RECORD,
        (pl.col(OVERFLOW) | wrong).alias(OVERFLOW),
        pl.when(wrong).then(1).otherwise(items.list.len().fill_null(0)).cast(pl.Int64).alias("events"),
        *(end.alias(f"end{number}") for number, end in enumerate(ends)),
        **{name: _or_gap(value, wrong) if name in lists else value for name, value in values.items()},
    )
    rows = rows.filter(pl.col("events") > 0).with_columns(pl.int_ranges(0, "events").alias(POSITION))
    events = rows.explode(POSITION, *lists, **_EXPLODE)
    later = ((pl.col(POSITION) >= pl.col(f"end{number}")).cast(pl.Int8) for number in range(len(ends)))
    part = pl.sum_horizontal(pl.lit(0), *later)
    return events.select(*values, BLANK, OVERFLOW, RECORD, POSITION, part.cast(pl.Int8).alias(PART))


def leaf_type(dtype: pl.DataType, path: Sequence[str]) -> pl.DataType:
    """Return the type of what lies at a path of a type: a list if a list is passed on the way."""
    for name in path:
        if isinstance(dtype, (pl.List, pl.Array)):
            dtype = pl.List(leaf_type(_inner(dtype), [name]))
        else:
            fields = dtype.fields if isinstance(dtype, pl.Struct) else []
            dtype = next((_instance(entry.dtype) for entry in fields if entry.name == name), pl.String())
    return dtype


def _value(leaf: Leaf, schema: pl.Schema) -> pl.Expr:
    name = f"c{leaf.place}"
    expression, dtype = pl.col(name), schema[name]
    if isinstance(dtype, pl.Array):
        expression, dtype = expression.arr.to_list(), pl.List(dtype.inner)
    for step in leaf.path:
        if isinstance(dtype, pl.List):
            expression = expression.list.eval(pl.element().struct.field(step))
        else:
            expression = expression.struct.field(step)
        dtype = leaf_type(dtype, [step])
    return expression if leaf.cells in ("value", "list") else split_cells(expression.cast(pl.String), leaf.cells)


def _unreadable(leaf: Leaf, schema: pl.Schema) -> pl.Expr:
    """Return whether the cell holds something, but no list."""
    if leaf.cells in ("value", "list"):
        return pl.lit(False)
    text = pl.col(f"c{leaf.place}")
    for step in leaf.path:
        text = text.struct.field(step)
    return (text.str.strip_chars() != "").fill_null(False) & _value(leaf, schema).is_null()


def _or_gap(lists: pl.Expr, wrong: pl.Expr) -> pl.Expr:
    gap = lists.list.slice(0, 0).list.concat([None])
    return pl.when(wrong).then(gap.fill_null(pl.lit(pl.Series([[None]])))).otherwise(lists)


def _as_list(leaf: Leaf, schema: pl.Schema, inner: pl.DataType) -> pl.Expr:
    value = _value(leaf, schema)
    if leaf.cells == "value" and not isinstance(leaf_type(schema[f"c{leaf.place}"], leaf.path), pl.List):
        value = pl.when(value.cast(pl.String).str.strip_chars() != "").then(pl.concat_list(value))
    return value.cast(pl.List(inner))


def _inner(dtype: pl.DataType) -> pl.DataType:
    return _instance(dtype.inner) if isinstance(dtype, (pl.List, pl.Array)) else pl.String()


def _instance(dtype: Any) -> pl.DataType:
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made
