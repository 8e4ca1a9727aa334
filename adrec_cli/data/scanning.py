"""A recognised table as a lazy Polars query over exactly the columns that are needed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from adrec_cli.data.recognition import Table


def scan(table: Table, positions: Sequence[int]) -> pl.LazyFrame:
    """Return a lazy frame of some columns of a table, in the order of its rows.

    Args:
        table: the recognised file, not of the layout "sequences".
        positions: of the columns, counted from 0.

    Returns:
        columns named `c0`, `c1`, ... after their position; text, or the file's own types for Parquet and Arrow.
        Blank lines are rows of nulls, except in JSON lines, where they are no rows.
    """
    plain = table.decoded.plain
    if table.layout in ("parquet", "arrow"):
        frame = pl.scan_parquet(plain) if table.layout == "parquet" else pl.scan_ipc(plain)
        return frame.select(pl.col(table.columns[position]).alias(f"c{position}") for position in positions)
    if table.layout == "jsonl":
        names = [table.columns[position] for position in positions]
        lines = pl.scan_ndjson(plain, schema=dict.fromkeys(names, pl.String))
        return lines.select(pl.col(name).alias(f"c{position}") for name, position in zip(names, positions, strict=True))
    if table.layout == "double-colon":
        fields = scan_lines(table).select(pl.col("line").str.split("::").alias("fields"))
        whole = pl.col("fields").list.len() <= len(table.columns)
        return fields.select(
            pl.when(whole).then(pl.col("fields").list.get(position, null_on_oob=True)).alias(f"c{position}")
            for position in positions
        )
    frame = pl.scan_csv(
        plain,
        has_header=False,
        skip_rows=1 if table.header else 0,
        separator=table.separator,
        quote_char='"' if table.quoted else None,
        schema={f"c{position}": pl.String for position in range(len(table.columns))},
    )
    return frame.select(f"c{position}" for position in positions)


def scan_lines(table: Table) -> pl.LazyFrame:
    """Return the lines of a text file after its header as one column, `line`."""
    return pl.scan_csv(
        table.decoded.plain,
        has_header=False,
        skip_rows=1 if table.header else 0,
        # A byte that text does not hold: every line stays whole.
        separator="\x01",
        quote_char=None,
        schema={"line": pl.String},
    )
