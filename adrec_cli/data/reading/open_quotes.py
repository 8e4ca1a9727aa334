"""Quotes that are not closed where they should be, so that a cell holds the rows behind it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from adrec_cli.data.reading.scanning import scan
from adrec_cli.data.reading.table import Table
from adrec_cli.wording import option

_CHUNK: Final = 1 << 22
_MOST_COLUMNS: Final = 60
"""Of more the patterns grow beyond what is compiled; so wide a row is seldom taken for a cell."""
_SHOWN: Final = 80


def advise_on_quotes(table: Table, rows: Iterable[Sequence[str | None]]) -> str:
    """Return the hint where a cell in quotes seems to hold line ends or tabs, "" where none does.

    Files with tabs often have quotes that are text, so they enclose nothing there unless the first rows show it.

    Args:
        table: the recognised file.
        rows: those before one that cannot be read, and itself.
    """
    if table.layout != "delimited" or table.quoted or table.separator != "\t":
        return ""
    fields = (field for row in rows for field in row)
    if not any(field is not None and field.startswith('"') and field.count('"') % 2 for field in fields):
        return ""
    hint = (
        f"leave such rows out with {option('on_bad_row', 'skip')}; or, if cells in quotes hold line ends or tabs, "
        "write the file as CSV"
    )
    if table.decoded.plain != table.path:
        return hint
    script = "import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter=chr(9)))"
    files = f"< {shlex.quote(str(table.path))} > {shlex.quote(f'{table.path.name}.csv')}"
    return f"{hint}: python3 -c {shlex.quote(script)} {files}"


def find_swallowed_rows(table: Table, position: int, records: int) -> str:
    """Return what stands in a quoted cell of the rows behind it, "" if no cell holds any.

    Such a cell begins with the rest of its own row and ends with the head of the row that closes the quote: each line
    has as many fields as it should, and a time where one belongs.

    Args:
        table: the recognised file, neither joined nor of lists.
        position: of the column of times, or of the first of them.
        records: how many were read.
    """
    if table.layout != "delimited" or not table.quoted or len(table.columns) > _MOST_COLUMNS:
        return ""
    if _count_lines(table.decoded.plain) <= records + table.lines_before:
        return ""
    width = len(table.columns)
    cells = {place: _cell_pattern(re.escape(table.separator), place, position, width) for place in range(width)}
    rows = pl.coalesce(pl.col(f"c{place}").str.extract(pattern) for place, pattern in cells.items())
    found = scan(table, range(width)).select(rows=rows).filter(pl.col("rows").is_not_null()).head(1)
    first = found.collect(engine="streaming")["rows"].to_list()
    return str(first[0])[:_SHOWN] if first else ""


def _cell_pattern(separator: str, place: int, position: int, width: int) -> str:
    """Return the pattern of a cell that begins in one column of a row, and ends in it of a later one."""
    field = rf"[^{separator}\n]*"
    dates = rf"\d{{4}}[-/.]\d\d?[-/.]\d\d?{field}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}}{field}"
    time = rf'"?(?:\d{{9,19}}(?:\.\d+)?|{dates})"?\r?'

    def line(fields: range) -> str:
        return separator.join(time if one == position else field for one in fields)

    rest, whole, head = line(range(place, width)), line(range(width)), line(range(place + 1))
    if place == position:
        rest, head = line(range(position + 1, width)), line(range(position))
    return rf"^{rest}\n((?:{whole}\n)*{head})$"


def _count_lines(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
