"""Files that hold one whole sequence a row, as other people's cuts are published."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.data.reading.column_names import known_column
from adrec_cli.data.reading.recognition import Table
from adrec_cli.data.reading.roles import Column, find_column
from adrec_cli.data.reading.scanning import scan_lines
from adrec_cli.errors import InputError

_ITEM_LISTS: Final = ("items", "itemids", "sequence", "itemsequence", "history", "train")
_TIME_LISTS: Final = ("timestamps", "times")
# Empty lists are filtered out before; some versions of polars warn unless they are told what to do with them.
_EXPLODE: Final[dict[str, Any]] = (
    {"empty_as_null": False} if "empty_as_null" in inspect.signature(pl.LazyFrame.explode).parameters else {}
)
_VALID: Final = ("val", "valid", "validation", "dev")


@dataclass(frozen=True, kw_only=True)
class SequenceColumns:
    """The columns of a table with one sequence a row.

    Attributes:
        user: id of the user.
        items: the list of items, or of the training items where `valid` and `test` are given.
        timestamps: a list as long as `items`, or None: then the position is the time.
        valid, test: the held-out items, one or a list a row, or None.
    """

    user: str
    items: str
    timestamps: str | None = None
    valid: str | None = None
    test: str | None = None


def find_sequence_columns(
    table: Table, *, user: Column | None = None, item: Column | None = None
) -> SequenceColumns | None:
    """Return the columns of a table that holds one sequence a row, None if it holds one event a row.

    Raises:
        InputError: the user's column cannot be told.
    """
    if table.layout == "sequences":
        return SequenceColumns(user="user_id", items="items")
    if not table.dtypes:
        return None
    lists = [name for name, dtype in zip(table.columns, table.dtypes, strict=True) if isinstance(dtype, pl.List)]
    if isinstance(item, str) and item in table.columns:
        if item not in lists:
            return None
        items: str | None = item
    else:
        items = next((name for plain in _ITEM_LISTS for name in lists if _plain(name) == plain), None)
    # A list beside a column of single items is a feature (a history, say), not the sequence.
    if items is None or (item is None and any((known_column(name) or ("",))[0] == "item" for name in _single(table))):
        return None
    position = find_column(table.columns, table.path, "user", user, needed=True)
    assert position is not None
    parts = {part: name for name in table.columns for part in ("valid", "test") if _plain(name) in _part_names(part)}
    held_out = _plain(items) == "train" and len(parts) == 2
    return SequenceColumns(
        user=table.columns[position],
        items=items,
        timestamps=None if held_out else next((name for name in lists if _plain(name) in _TIME_LISTS), None),
        valid=parts["valid"] if held_out else None,
        test=parts["test"] if held_out else None,
    )


def scan_sequences(table: Table, columns: SequenceColumns) -> pl.LazyFrame:
    """Return one row an event: `user`, `item`, `time` (the position, or what the file says), `part` (0, 1, 2).

    Raises:
        InputError: a sequence and its times differ in length.
    """
    if table.layout == "sequences":
        fields = pl.col("line").str.strip_chars().str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
        lists = (
            scan_lines(table)
            .select(fields.alias("fields"))
            .select(user=pl.col("fields").list.first(), item=pl.col("fields").list.slice(1))
            .filter(pl.col("user").is_not_null())
        )
        return _explode(lists, held_out=False, timed=False)
    plain = literal(table.decoded.plain)
    frame = pl.scan_parquet(plain) if table.layout == "parquet" else pl.scan_ipc(plain)
    if columns.valid is not None and columns.test is not None:
        inner = frame.collect_schema()[columns.items]
        train, valid, test = (_as_list(name, frame, inner) for name in (columns.items, columns.valid, columns.test))
        lists = frame.select(
            user=pl.col(columns.user),
            item=pl.concat_list(train, valid, test),
            valid_from=train.list.len(),
            test_from=train.list.len() + valid.list.len(),
        )
        return _explode(lists, held_out=True, timed=False)
    selected = {"user": pl.col(columns.user), "item": pl.col(columns.items)}
    if columns.timestamps is not None:
        selected["time"] = pl.col(columns.timestamps)
        unequal = selected["item"].list.len() != selected["time"].list.len()
        if frame.select(unequal.any()).collect().item():
            raise InputError(
                f"{table.path}: {columns.items!r} and {columns.timestamps!r} differ in length in some row",
                hint="each item needs its time; leave the times out to use positions",
            )
    return _explode(frame.select(**selected), held_out=False, timed=columns.timestamps is not None)


def _explode(lists: pl.LazyFrame, *, held_out: bool, timed: bool) -> pl.LazyFrame:
    if not timed:
        lists = lists.with_columns(time=pl.int_ranges(0, pl.col("item").list.len(), dtype=pl.Int64))
    lists = lists.filter(pl.col("item").list.len() > 0)
    events = lists.explode("item", "time", **_EXPLODE)
    part: pl.Expr = pl.lit(0, dtype=pl.Int8)
    if held_out:
        held_out_from = (pl.col("valid_from"), pl.col("test_from"))
        part = pl.sum_horizontal((pl.col("time") >= first).cast(pl.Int8) for first in held_out_from).cast(pl.Int8)
    return events.select("user", "item", "time", part=part)


def _as_list(name: str, frame: pl.LazyFrame, inner: pl.DataType) -> pl.Expr:
    dtype = frame.collect_schema()[name]
    column = pl.col(name)
    return column.cast(inner) if isinstance(dtype, pl.List) else pl.concat_list(column).cast(inner)


def _single(table: Table) -> list[str]:
    return [name for name, dtype in zip(table.columns, table.dtypes, strict=True) if not isinstance(dtype, pl.List)]


def _part_names(part: str) -> tuple[str, ...]:
    return _VALID if part == "valid" else ("test",)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
