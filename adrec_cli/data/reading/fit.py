"""Whether a file is written as those before it."""

from __future__ import annotations

from typing import Final

from adrec_cli.data.reading.column_names import ROLES, TimeColumn
from adrec_cli.data.reading.header import names_columns
from adrec_cli.data.reading.remembered import Remembered
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.wording import option, say_count

_SHOWN_COLUMNS: Final = 30


def check_fit(table: Table, remembered: Remembered, *, rating_needed: bool) -> None:
    """Refuse a file that is not written as those before it: no other column ever takes the place of one.

    Args:
        table: the recognised file.
        remembered: how the data set was read.
        rating_needed: whether the column of ratings must be there.

    Raises:
        InputError: a column is missing, there is a header where there was none, or the number of columns differs.
    """
    misfit = describe_misfit(table, remembered, rating_needed=rating_needed)
    if misfit:
        roles = [role for role in remembered.columns if role != "rating" or rating_needed]
        raise InputError(
            f"{table.path} is not written as {remembered.dataset} was read: {misfit}",
            hint="fix the file, or say which columns take their place: "
            + " ".join(option(f"{role}_column", "COLUMN") for role in roles),
        )


def describe_misfit(table: Table, remembered: Remembered, *, rating_needed: bool) -> str:
    """Return what was expected of a file and what was found; "" if it is written as those before it.

    Args:
        as for `check_fit`.
    """
    columns, width = remembered.columns, remembered.get("width")
    needed = [role for role in ROLES if role in columns and (role != "rating" or rating_needed)]
    expected = ", ".join(f"{columns[role]} ({role})" for role in needed)
    if width is not None:
        expected = f"{say_count(width, 'column')} without a header, {expected}"
    first_row = table.sample[0] if table.sample else ()
    if remembered.get("header") is False and not table.header and names_columns(first_row):
        return f"expected {expected}; found a header, {', '.join(first_row[:_SHOWN_COLUMNS])}"
    missing = [role for role in needed if not _has(table, columns[role])]
    repeated = remembered.get("repeated") or {}
    for role in set(repeated).intersection(needed).difference(missing):
        name, position = repeated[role]["name"], repeated[role]["position"]
        if columns[role] == position and table.columns[position - 1] != name:
            return f"expected {name} in column {position} ({role}); found {table.columns[position - 1]}"
    if missing or (width is not None and columns and width != len(table.rows.columns)):
        return f"expected {expected}; found {', '.join(table.columns[:_SHOWN_COLUMNS])}"
    return ""


def _has(table: Table, column: TimeColumn) -> bool:
    if isinstance(column, int):
        return 1 <= column <= len(table.columns)
    return column in table.columns if isinstance(column, str) else all(_has(table, part) for part in column)
