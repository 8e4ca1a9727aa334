"""Times that stand in two or three columns: a date and a time of day, or year, month and day."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.time_columns import TimeColumns
from adrec_cli.data.reading.time_shapes import is_calendar_date, is_clock
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_DATE_PARTS: Final = {"year": 0, "yyyy": 0, "y": 0, "month": 1, "mm": 1, "m": 1, "day": 2, "dd": 2, "d": 2}
_CLOCK_NAME: Final = re.compile("(time|hour|uhrzeit|heure|hora)$|^(time|hour)[ _-]")
_JOIN: Final = {2: " ", 3: "-"}
"""What stands between the parts of a time, by their number."""


def in_calendar_order(names: Sequence[str], positions: Sequence[int]) -> tuple[int, ...]:
    """Return the positions of three columns as year, month, day where their names say which is which."""
    parts = [_date_part(name) for name in names]
    if len(positions) != 3 or sorted(part for part in parts if part is not None) != [0, 1, 2]:
        return tuple(positions)
    return tuple(position for _, position in sorted(zip(parts, positions, strict=True)))


def find_calendar_parts(columns: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of the only columns called year, month and day; none where there are not these three."""
    named = [(part, place) for place, name in enumerate(columns) if (part := _date_part(name)) is not None]
    return tuple(place for _, place in sorted(named)) if sorted(part for part, _ in named) == [0, 1, 2] else ()


def _date_part(name: str) -> int | None:
    return _DATE_PARTS.get(re.sub(r"[^a-z]", "", name.lower().removeprefix("event")))


def join_time_columns(columns: Sequence[pl.Expr], dtypes: Sequence[pl.DataType], path: Path) -> pl.Expr:
    """Return the text of a time whose parts stand in several columns; null where a part is missing.

    Args:
        columns: a date and a time of day, or year, month and day.
        dtypes: their types.
        path: of the file, for messages.

    Raises:
        InputError: a column can be no part of a time.
    """
    parts = [
        _part(column, dtype, clock=len(columns) == 2 and place == 1, path=path)
        for place, (column, dtype) in enumerate(zip(columns, dtypes, strict=True))
    ]
    return pl.concat_str(parts, separator=_JOIN[len(parts)])


def join_sample(rows: Sequence[Sequence[str]], positions: Sequence[int], dtypes: Sequence[pl.DataType]) -> list[str]:
    """Return the first values of a time whose parts stand in several columns, as `join_time_columns` gives them."""
    widest = max(positions)
    found = []
    for row in rows:
        cells = [row[place].strip() if len(row) > place else "" for place in positions]
        if len(row) > widest and all(cells):
            types = [dtypes[place] if dtypes else pl.String() for place in positions]
            halves = [_of_moment(*entry) for entry in zip(cells, types, range(len(cells)), strict=True)]
            found.append(_JOIN[len(positions)].join(halves))
    return found


def pair_date_and_clock(table: Table, times: TimeColumns, *, taken: Collection[int]) -> tuple[int, int] | None:
    """Return the positions of a date and a time of day that together are the time; None where one column holds it.

    Args:
        table: the recognised file.
        times: the columns that could be the time.
        taken: positions that have a role already.
    """
    could_be = times.rivals if times.chosen is None else (times.chosen,)
    beside = [
        place
        for place, name in enumerate(table.columns)
        if place not in taken and place not in could_be and _CLOCK_NAME.search(name.strip().lower())
    ]
    dates = [place for place in could_be if _all(table.sample, place, is_calendar_date)]
    clocks = [place for place in could_be if _all(table.sample, place, is_clock)]
    if len(dates) + len(clocks) < len(could_be):
        # Something else could be the time, too.
        return None
    if not clocks:
        clocks = [place for place in beside if _all(table.sample, place, is_clock)]
    if times.chosen is not None and not dates:
        dates = [place for place in times.unused if _all(table.sample, place, is_calendar_date)]
    return (dates[0], clocks[0]) if len(dates) == len(clocks) == 1 else None


def _all(rows: Sequence[Sequence[str]], place: int, test: Callable[[str], bool]) -> bool:
    cells = [row[place].strip() for row in rows if len(row) > place and row[place].strip()]
    return bool(cells) and all(test(cell) for cell in cells)


def _of_moment(cell: str, dtype: pl.DataType, index: int) -> str:
    """Return the half of a whole moment that its column stands for: the date, or the time of day."""
    if isinstance(dtype, pl.Datetime):
        halves = cell.split(" ")
        return halves[min(index, len(halves) - 1)]
    return cell.removesuffix(".0")


def _part(column: pl.Expr, dtype: pl.DataType, *, clock: bool, path: Path) -> pl.Expr:
    if dtype == pl.String:
        # Whole numbers beside gaps become floats in pandas.
        text = column.str.strip_chars().str.strip_suffix(".0")
        return pl.when(text != "").then(text)
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%H:%M:%S%.f" if clock else "%Y-%m-%d")
    if dtype == pl.Date and not clock:
        return column.dt.strftime("%Y-%m-%d")
    if dtype == pl.Time and clock:
        return column.dt.strftime("%H:%M:%S%.f")
    if dtype.is_integer():
        return column.cast(pl.String)
    if dtype.is_float():
        return pl.when(column == column.floor()).then(column.cast(pl.Int64, strict=False)).cast(pl.String)
    raise InputError(
        f"{path}: a column of {dtype} cannot be {'a time of day' if clock else 'part of a date'}",
        hint=f"name others with {option('timestamp_column')}, such as date,time or year,month,day",
    )
