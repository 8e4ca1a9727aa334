"""A recognised table as a lazy Polars query over exactly the columns that are needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.data.ids import normal_text
from adrec_cli.data.reading.table import FolderValues, Joining, Table
from adrec_cli.data.reading.unfolding import BLANK, OVERFLOW, unfold_rows

__all__ = ["BLANK", "OVERFLOW", "join_key", "scan", "scan_lines"]

_NO: Final = pl.lit(False)


def scan(table: Table, positions: Sequence[int], *, rows: int | None = None) -> pl.LazyFrame:
    """Return a lazy frame of some columns of a table, in the order of its rows.

    Args:
        table: the recognised file.
        positions: of the columns, counted from 0.
        rows: of the file that are read; None for all.

    Returns:
        columns named `c0`, `c1`, ... after their position: text, or the file's own types for Parquet and Arrow;
        `blank`, whether a line is empty (JSON lines leave such lines out); `overflow`, whether a row has more fields
        than there are columns, where reading it raises no error. Of a table whose rows are unfolded, what
        `unfold_rows` returns.
    """
    if table.unfolding is None:
        return _scan_rows(table, positions, {}) if rows is None else _scan_rows(table, positions, {}).head(rows)
    unfolding = table.unfolding
    frame = _scan_rows(unfolding.rows, unfolding.places(positions), unfolding.types)
    return unfold_rows(frame if rows is None else frame.head(rows), unfolding, positions)


def _scan_rows(table: Table, positions: Sequence[int], types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    if table.joining is not None:
        return _scan_joined(table.joining, positions, types)
    if table.folders is not None:
        return _scan_in_folders(table.folders, positions, types)
    plain = literal(table.decoded.plain)
    if table.layout in ("parquet", "arrow"):
        frame = pl.scan_parquet(plain) if table.layout == "parquet" else pl.scan_ipc(plain)
        named = (pl.col(table.columns[place]).alias(f"c{place}") for place in positions)
        return frame.select(*named, _NO.alias(BLANK), _NO.alias(OVERFLOW))
    if table.layout == "jsonl":
        names = [table.columns[place] for place in positions]
        lines = pl.scan_ndjson(plain, schema={name: types.get(name, pl.String()) for name in names})
        named = (pl.col(name).alias(f"c{place}") for name, place in zip(names, positions, strict=True))
        return lines.select(*named, _NO.alias(BLANK), _NO.alias(OVERFLOW))
    if table.layout == "sequences":
        line = pl.col("line").str.strip_chars()
        mark = re.escape(table.separator) or r"\s"
        # Where blanks separate, a colon may stand behind the user: "17: 3 5 8".
        user = r"^(\S+?):?" if not table.separator else f"^([^{mark}]+)"
        halves = {"c0": line.str.extract(rf"{user}(?:{mark}|$)"), "c1": line.str.extract(f"^[^{mark}]+{mark}+(.*)$")}
        picked = (halves[f"c{place}"].alias(f"c{place}") for place in positions)
        return scan_lines(table).select(*picked, pl.col("line").is_null().alias(BLANK), _NO.alias(OVERFLOW))
    if table.layout == "double-colon":
        fields = pl.col("line").str.split("::")
        picked = (fields.list.get(place, null_on_oob=True).alias(f"c{place}") for place in positions)
        beyond = (fields.list.len() > len(table.columns)).fill_null(False)
        return scan_lines(table).select(*picked, pl.col("line").is_null().alias(BLANK), beyond.alias(OVERFLOW))
    every = [f"c{place}" for place in range(len(table.columns))]
    frame = pl.scan_csv(
        plain,
        has_header=False,
        skip_rows=table.lines_before,
        separator=table.separator,
        quote_char='"' if table.quoted else None,
        schema=dict.fromkeys(every, pl.String),
    )
    # Looking at every column makes polars complain of rows with more fields; it is silent if some are not read.
    blank = pl.all_horizontal(pl.col(name).is_null() for name in every)
    return frame.select(*(f"c{place}" for place in positions), blank.alias(BLANK), _NO.alias(OVERFLOW))


def _scan_joined(joining: Joining, positions: Sequence[int], types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return rows with the columns of another file behind their own; a row without a match is blank."""
    width = len(joining.rows.columns)
    own = [place for place in positions if place < width]
    foreign = {place: joining.behind[place - width] for place in positions if place >= width}
    rows = _scan_rows(joining.rows, sorted({*own, joining.key}), types)
    rows = rows.select(*(f"c{place}" for place in own), BLANK, OVERFLOW, key=join_key(pl.col(f"c{joining.key}")))
    other = _scan_rows(joining.other, sorted({*foreign.values(), joining.other_key}), {})
    named = {f"c{place}": pl.col(f"c{theirs}") for place, theirs in foreign.items()}
    key = join_key(pl.col(f"c{joining.other_key}"))
    other = other.select(**named, key=key, matched=pl.lit(True)).filter(pl.col("key").is_not_null())
    joined = rows.join(other, on="key", how="left", maintain_order="left")
    blank = pl.col(BLANK) | pl.col("matched").is_null()
    return joined.select(*(f"c{place}" for place in positions), blank.alias(BLANK), OVERFLOW)


def _scan_in_folders(folders: FolderValues, positions: Sequence[int], types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return rows with what the names of their folders say behind their own columns."""
    width = len(folders.rows.columns)
    # Without a column of its own there would be no rows.
    own = [place for place in positions if place < width] or [0]
    said = {place: folders.values[place - width] for place in positions if place >= width}
    values = {f"c{place}": pl.lit(value, dtype=pl.String) for place, value in said.items()}
    rows = _scan_rows(folders.rows, own, types).with_columns(**values)
    return rows.select(*(f"c{place}" for place in positions), BLANK, OVERFLOW)


def join_key(column: pl.Expr) -> pl.Expr:
    """Return a key as it is compared: as an id is, so that 17.0 meets 17."""
    return normal_text(column.cast(pl.String))


def scan_lines(table: Table) -> pl.LazyFrame:
    """Return the lines of a text file after its header as one column, `line`."""
    return pl.scan_csv(
        literal(table.decoded.plain),
        has_header=False,
        skip_rows=table.lines_before,
        # A byte that text does not hold: every line stays whole.
        separator="\x01",
        quote_char=None,
        schema={"line": pl.String},
    )
