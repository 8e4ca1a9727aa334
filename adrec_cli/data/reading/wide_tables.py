"""Matrices of zeros and ones, a row per user and a column per item, which are no rows of events."""

from __future__ import annotations

import shlex
from typing import Final

from adrec_cli.data.reading.column_names import look_up_column
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError

_FEWEST_ITEMS: Final = 3
_CELLS: Final = {"", "0", "1", "0.0", "1.0"}
_SHOWN: Final = 3


def refuse_wide(table: Table) -> None:
    """Refuse a table whose columns but the first hold nothing but zeros and ones, and none of which is a known one.

    Raises:
        InputError: it is such a matrix.
    """
    names = table.columns[1:]
    if len(names) < _FEWEST_ITEMS or len(table.sample) < 2 or any(look_up_column(name) for name in names):
        return
    cells = {cell.strip() for row in table.sample for cell in row[1:]}
    if not cells <= _CELLS or not cells & {"1", "1.0"}:
        return
    more = ", ..." if len(names) > _SHOWN else ""
    raise InputError(
        f"{table.path} is a matrix with a column per item ({', '.join(names[:_SHOWN])}{more}), "
        "expected a row per interaction; a matrix does not say in which order they were",
        hint=f"write a row per 1: python -c {shlex.quote(_melting(table))}",
    )


def _melting(table: Table) -> str:
    """Return the lines of Python that write the matrix as rows."""
    reader = {"parquet": "read_parquet", "arrow": "read_ipc"}.get(table.layout, "read_csv")
    how = f", separator={table.separator!r}" if reader == "read_csv" and table.separator != "," else ""
    return (
        f"import polars; table = polars.{reader}({str(table.path)!r}{how}); "
        f"table.unpivot(index={table.columns[0]!r}, variable_name='item_id')"
        ".filter(polars.col('value') == 1).drop('value').write_csv('rows.csv')"
    )
