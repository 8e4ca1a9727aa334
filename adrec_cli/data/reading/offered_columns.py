"""The columns that a file offers: its own, and those within the objects that it holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

import polars as pl

from adrec_cli.data.reading.column_names import Role
from adrec_cli.data.reading.list_cells import SEPARATED, Cells
from adrec_cli.data.reading.recognition import SAMPLE_ROWS
from adrec_cli.data.reading.table import Leaf, Table
from adrec_cli.data.reading.unfolding import leaf_type
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_MOST_LEAVES: Final = 200


@dataclass(frozen=True, kw_only=True)
class OfferedColumn:
    """A column of events that a file could have.

    Attributes:
        name: with dots before what lies in objects.
        leaf: where it comes from.
        dtype: of a cell.
    """

    name: str
    leaf: Leaf
    dtype: pl.DataType

    @property
    def is_list(self) -> bool:
        """Whether a cell holds a list of single values."""
        return isinstance(self.dtype, (pl.List, pl.Array)) and not pl.List(self.dtype.inner).inner.is_nested()

    @property
    def fields(self) -> list[str]:
        """Names in the objects that a cell holds, or a list of."""
        dtype: Any = self.dtype
        inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else dtype
        return [entry.name for entry in inner.fields] if isinstance(inner, pl.Struct) else []

    @property
    def own_name(self) -> str:
        """The name without the objects it lies in."""
        return self.name.rpartition(".")[2] if self.leaf.path else self.name


def offer_columns(table: Table) -> list[OfferedColumn]:
    """Return the columns of a file, and behind them those within the objects that it holds."""
    if table.layout == "sequences":
        return [
            OfferedColumn(name="user_id", leaf=Leaf(place=0), dtype=pl.String()),
            OfferedColumn(name="items", leaf=Leaf(place=1, cells=_cells_of(table.separator)), dtype=pl.String()),
        ]
    shapes = list(table.dtypes) or [pl.String() for _ in table.columns]
    if table.layout == "jsonl":
        records = sample_records(table)
        shapes = [_shape([record.get(name) for record in records]) for name in table.columns]
    columns = [
        OfferedColumn(name=name, leaf=Leaf(place=place), dtype=dtype)
        for place, (name, dtype) in enumerate(zip(table.columns, shapes, strict=True))
    ]
    inner = [leaf for column in columns for leaf in _leaves(column)]
    return columns + [column for column in inner if column.name not in table.columns][:_MOST_LEAVES]


def _cells_of(separator: str) -> Cells:
    return next((cells for cells in SEPARATED if cells == separator), " ")


def _leaves(column: OfferedColumn) -> list[OfferedColumn]:
    """Return the columns within the objects of a column, down to values and lists of values."""
    found = []
    for name in column.fields:
        dtype = leaf_type(column.dtype, [name])
        leaf = replace(column.leaf, path=(*column.leaf.path, name))
        inner = OfferedColumn(name=f"{column.name}.{name}", leaf=leaf, dtype=dtype)
        found += _leaves(inner) if inner.fields else [inner]
    return found


def event_type(column: OfferedColumn) -> pl.DataType:
    """Return the type of one event's value."""
    dtype: Any = column.dtype
    if column.leaf.cells == "value":
        return column.dtype
    inner = dtype.inner if column.leaf.cells == "list" else pl.String
    made: pl.DataType = inner() if isinstance(inner, type) else inner
    return made


def require_one(table: Table, columns: Sequence[OfferedColumn], role: Role, places: Collection[int]) -> None:
    """Refuse several lists that could each have a role.

    Args:
        table: the recognised file.
        columns: that it offers.
        role: of the lists.
        places: of those that could have it.

    Raises:
        InputError: there are several.
    """
    rivals = sorted(set(places))
    if len(rivals) < 2:
        return
    shown = " and ".join(
        f"column {columns[one].name}" if columns[one].leaf.path else f"column {one + 1}, {columns[one].name},"
        for one in rivals
    )
    name = columns[rivals[0]].name
    alone = [column.name for column in columns].count(name) == 1 and not name.isdecimal()
    raise InputError(
        f"{table.path}: {shown} could each be the {'time' if role == 'timestamp' else role}; all hold lists",
        hint=f"say which it is, for example {option(f'{role}_column', name if alone else rivals[0] + 1)}",
    )


def sample_records(table: Table) -> list[dict[str, Any]]:
    """Return the first objects of JSON lines."""
    records = []
    with open(table.decoded.plain, encoding="utf-8", errors="replace", newline="\n") as file:
        for line in islice(file, 5 * SAMPLE_ROWS):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                records.append(record)
            if len(records) == SAMPLE_ROWS:
                break
    return records


def _shape(values: Sequence[Any]) -> pl.DataType:
    """Return the type of JSON values: objects of what they hold, lists where most are, and text for all else."""
    there = [value for value in values if value is not None]
    if there and all(isinstance(value, dict) for value in there):
        names = dict.fromkeys(name for value in there for name in value)
        fields = {name: _shape([value.get(name) for value in there]) for name in names}
        return pl.Struct(fields) if fields else pl.String()
    lists = [value for value in there if isinstance(value, list)]
    if len(lists) * 2 > len(there):
        return pl.List(_shape([entry for value in lists for entry in value]))
    return pl.String()
