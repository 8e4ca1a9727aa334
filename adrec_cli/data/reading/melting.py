"""From a matrix of zeros and ones to a row per 1, which `preprocess` reads; the hint of the error that names one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.data.reading.read_limits import UNLIMITED_BY_HAND
from adrec_cli.data.reading.recognition import recognise
from adrec_cli.data.reading.scanning import scan
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.data.reading.source_content import decode_file
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.wide_tables import ONES, find_users
from adrec_cli.errors import InputError, UsageError
from adrec_cli.schema import ITEM_ID, USER_ID


def write_rows(source: str, target: str, *, encoding: str | None = None, separator: str | None = None) -> None:
    """Write the ones of a matrix as rows of a user and an item, however the matrix is written and packed.

    Args:
        source: a matrix with a row per user and a column per item.
        target: a CSV file that is not there yet.
        encoding, separator: of the source; None finds them.

    Raises:
        InputError: the source is no such matrix.
        UsageError: the target is there.
    """
    if Path(target).exists():
        raise UsageError(f"{target} is there already", hint="name another file")
    with scratch_folder(None) as scratch:
        decoded = decode_file(Path(source), encoding, scratch, UNLIMITED_BY_HAND)
        table = recognise(decoded, separator=separator)
        user = find_users(table)
        if user is None:
            raise InputError(f"{source} is not a matrix of zeros and ones", hint="give it to preprocess as it is")
        _melt(_name_all(table), user).sink_csv(target)


def _name_all(table: Table) -> Table:
    """Return a table with the names that only later objects of JSON lines have."""
    if table.layout != "jsonl":
        return table
    later = pl.scan_ndjson(literal(table.decoded.plain), infer_schema_length=None).collect_schema().names()
    return replace(table, columns=tuple(dict.fromkeys((*table.columns, *later))))


def _melt(table: Table, user: int) -> pl.LazyFrame:
    places = range(len(table.columns))
    names = {f"c{place}": table.columns[place] for place in places if place != user}
    rows = scan(table, list(places)).select(pl.col(f"c{place}").cast(pl.String) for place in places)
    met = rows.unpivot(index=f"c{user}", variable_name=ITEM_ID, value_name="met").filter(
        pl.col("met").str.strip_chars().str.to_lowercase().is_in(ONES)
    )
    return met.select(pl.col(f"c{user}").alias(USER_ID), pl.col(ITEM_ID).replace_strict(names))
