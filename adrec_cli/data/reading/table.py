"""A recognised file: how it is written, its columns, and where they come from if its rows hold lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import polars as pl

from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.data.reading.list_cells import Cells

Layout = Literal["delimited", "double-colon", "jsonl", "parquet", "arrow", "sequences"]

_FORMS: Final = {
    "jsonl": "JSON lines", "parquet": "Parquet", "arrow": "Arrow", "sequences": "one sequence a line"
}  # fmt: skip
_SEPARATOR_NAMES: Final = {",": "commas", "\t": "tabs", ";": "semicolons", " ": "blanks", "|": "bars"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A recognised file.

    Attributes:
        decoded: the file and its plain copy.
        layout: how its rows are written.
        separator: between fields ("" where there are none).
        quoted: whether a double quote encloses fields.
        header: whether the first row names the columns.
        blank_lines: empty ones before the first row, the header included.
        columns: their names, in order; `column_1`... where nothing names them.
        dtypes: their types, as long as `columns` for Parquet and Arrow, empty for text.
        sample: the first rows as text, in the same order.
        notes: what was assumed, to be said to the user.
        record_lines: the line each record stood in, where `plain` is a copy without malformed records.
        folders: what the names of its folders add to its own columns; None if nothing.
        joining: how the columns of another file come behind the file's own; None if none do.
        unfolding: how the rows, which hold lists or objects, become the events that `columns` describes.
    """

    decoded: Decoded
    layout: Layout
    separator: str = ""
    quoted: bool = False
    header: bool = False
    blank_lines: int = 0
    columns: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    dtypes: tuple[pl.DataType, ...] = ()
    notes: tuple[str, ...] = ()
    record_lines: Sequence[int] | None = None
    folders: FolderValues | None = None
    joining: Joining | None = None
    unfolding: Unfolding | None = None

    @property
    def rows(self) -> Table:
        """The table as its own file has it: without what its folders say, not joined, and one row per record."""
        if self.unfolding is not None:
            return self.unfolding.rows.rows
        if self.joining is not None:
            return self.joining.rows.rows
        return self if self.folders is None else self.folders.rows

    def replace_rows(self, rows: Table) -> Table:
        """Return the same table over another copy of its own file."""
        if self.unfolding is not None:
            under = self.unfolding.rows.replace_rows(rows)
            return replace(self, decoded=rows.decoded, unfolding=replace(self.unfolding, rows=under))
        if self.joining is not None:
            under = self.joining.rows.replace_rows(rows)
            return replace(self, decoded=rows.decoded, joining=replace(self.joining, rows=under))
        if self.folders is not None:
            return replace(self, decoded=rows.decoded, folders=replace(self.folders, rows=rows))
        return rows

    def says_by_folder(self, column: str) -> bool:
        """Whether the name of a folder holds a column."""
        return self.folders is not None and column in self.folders.names

    @property
    def lines_before(self) -> int:
        """How many lines of a text file stand before its first row of data."""
        return self.blank_lines + self.header

    @property
    def form(self) -> str:
        """How the rows are written, in words."""
        if self.layout not in ("delimited", "double-colon"):
            return _FORMS.get(self.layout, self.layout)
        separator = _SEPARATOR_NAMES.get(self.separator, repr(self.separator))
        return f"{separator} between columns, {'a header' if self.header else 'no header'}"

    @property
    def path(self) -> Path:
        """The file the user named."""
        return self.decoded.path


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Where a column of events comes from.

    Attributes:
        place: of the column in the rows of the file.
        path: names within the objects it holds; empty if it holds none.
        cells: what it holds; "value" is repeated for every event of its row.
    """

    place: int
    path: tuple[str, ...] = ()
    cells: Cells = "value"


@dataclass(frozen=True, kw_only=True)
class Unfolding:
    """How a table of rows becomes one of events.

    Attributes:
        rows: the table as it stands, one row per record.
        leaves: one for each column of the table of events.
        item: position of the column of items, whose list says how many events a row has; None if none is a list.
        timestamp: position of the list of times that was found beside it.
        held_out: positions of the items held out for validation and test, where the file is split so.
        types: of the columns of JSON lines that hold lists or objects.
    """

    rows: Table
    leaves: tuple[Leaf, ...]
    item: int | None = None
    timestamp: int | None = None
    held_out: tuple[int, int] | None = None
    types: Mapping[str, pl.DataType] = field(default_factory=dict)

    def places(self, positions: Sequence[int]) -> list[int]:
        """Return the columns of the rows that some columns of the events come from."""
        needed = {*positions, *(() if self.item is None else (self.item,)), *(self.held_out or ())}
        return sorted({self.leaves[position].place for position in needed})


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How the columns of another file come behind those of a file.

    Attributes:
        rows: the file itself.
        other: the file that has one row for each key.
        key, other_key: positions of the key, in the one and in the other.
        behind: positions, in the other file, of the columns that come behind the file's own.
    """

    rows: Table
    other: Table
    key: int
    other_key: int
    behind: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FolderValues:
    """Columns behind those of a file that have one value in all of its rows.

    Attributes:
        rows: the file itself.
        names: of the columns.
        values: one for each column; None where it is missing.
    """

    rows: Table
    names: tuple[str, ...]
    values: tuple[str | None, ...]
