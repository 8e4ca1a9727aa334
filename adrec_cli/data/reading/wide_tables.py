"""Matrices of zeros and ones, a row per user and a column per item, which are no rows of events."""

from __future__ import annotations

import shlex
import sys
from typing import Final

from adrec_cli.data.reading.column_names import look_up_column
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError

ONES: Final = ("1", "1.0", "true")
"""What a cell may hold, in small letters, for a user who has met an item."""
_CELLS: Final = {"", "0", "0.0", "false", *ONES}
_FEWEST_ITEMS: Final = 3
_SHOWN: Final = 3


def refuse_wide(table: Table, *, encoding: str | None, separator: str | None) -> None:
    """Refuse a table whose columns but one hold nothing but zeros and ones, and are none of the known ones.

    Args:
        table: whose columns have names.
        encoding, separator: that were asked for; None where they were found.

    Raises:
        InputError: it is such a matrix.
    """
    user = find_users(table)
    if user is None:
        return
    names = [name for place, name in enumerate(table.columns) if place != user]
    more = ", ..." if len(names) > _SHOWN else ""
    named = {"encoding": encoding, "separator": separator}
    arguments = [f"{key}={value!r}" for key, value in named.items() if value is not None]
    call = ", ".join([repr(str(table.path)), repr("rows.csv"), *arguments])
    code = f"from adrec_cli.data.reading.melting import write_rows; write_rows({call})"
    raise InputError(
        f"{table.path} is a matrix with a column per item ({', '.join(names[:_SHOWN])}{more}), "
        "expected a row per interaction; a matrix does not say in which order they were",
        # The Python that runs adrec may be that of no other program.
        hint=f"write a row per 1: {shlex.join([sys.executable or 'python', '-c', code])}",
    )


def find_users(table: Table) -> int | None:
    """Return the place of the column of users where a table is a matrix of zeros and ones; None where it is none."""
    places = range(len(table.columns))
    # A row may be too short; reading says so.
    cells = [{"".join(row[place : place + 1]).strip().lower() for row in table.sample} for place in places]
    others = [place for place, held in enumerate(cells) if not held <= _CELLS]
    user = others[0] if others else 0
    items = [place for place in places if place != user]
    if len(others) > 1 or len(items) < _FEWEST_ITEMS or len(table.sample) < 2:
        return None
    if any(look_up_column(table.columns[place]) for place in items):
        return None
    return user if any(cells[place] & set(ONES) for place in items) else None
