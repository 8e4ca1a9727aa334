"""Which column of a table could be the time of its events, by its name and by what it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import polars as pl

from adrec_cli.data.reading.column_names import TimeName, names_a_year, names_an_id, time_name
from adrec_cli.data.reading.time_shapes import find_shape, is_clock

Content = Literal["dates", "clock", "epoch", "numbers", "text", ""]
"""What a column holds: dates, times of day, what looks like epoch times, other numbers, other text, or nothing."""

_MONTH: Final = r"[A-Z][a-z]{2,8}"
_DATES: Final = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d\d))([ T,].*)?"
    rf"|\d{{8}}T\d{{4,6}}\S*|{_MONTH} {_MONTH} \d{{1,2}} .*\d{{4}}"
    rf"|\d{{1,2}}[ -]{_MONTH}[ -]\d{{4}}.*|{_MONTH} \d{{1,2}},? \d{{4}}.*"
    r"|(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
)
_YEAR: Final = re.compile(r"(19|20)\d\d(\.0+)?")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EARLIEST: Final = datetime(1995, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, kw_only=True)
class TimeColumns:
    """The columns that could be the time.

    Attributes:
        chosen: position, from 0, of the one that is; None if there is none or several could be.
        rivals: positions that could be it; the times of day that belong to dates stand behind them.
        unused: positions of others that hold dates, or sound like it.
    """

    chosen: int | None = None
    rivals: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()


def find_time_columns(
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    dtypes: Sequence[pl.DataType] = (),
    *,
    taken: Collection[int] = (),
) -> TimeColumns:
    """Find the column that is the time of the events, or those that could be it.

    The rule: a column with a name that can mean nothing else (`timestamp`, `ts`, ...) is the time, whatever else holds
    dates; otherwise the only one with a customary name (`date`, `order_date`, `*_at`, ...). Two of a kind cannot be
    distinguished, and a column that holds dates or sounds like it, but has no customary name, is never taken.

    Args:
        columns: names in order.
        sample: the first rows as text.
        dtypes: as long as `columns` where the file has types.
        taken: positions that have a role already.
    """
    named: dict[TimeName, list[int]] = {"certain": [], "known": [], "ending": [], "similar": [], "": []}
    for position, name in enumerate(columns):
        if position in taken:
            continue
        values = [row[position].strip() for row in sample if len(row) > position]
        content = column_content(values, _dtype(dtypes, position))
        spoken = time_name(name)
        if not spoken and names_a_year(name) and any(values) and all(map(_YEAR.fullmatch, filter(None, values))):
            spoken = "similar"
        # Ids may be as large as times are.
        if not spoken and (content == "dates" or (content == "epoch" and not names_an_id(name))):
            spoken = "similar"
        # What a name promises beyond doubt and its values do not keep is an error later, not an order of rows.
        if content != "text" or spoken in ("certain", "known"):
            named[spoken].append(position)
    certain, known, similar = named["certain"], sorted(named["known"] + named["ending"]), named["similar"]
    decided = certain or known
    if len(decided) == 1:
        rest = known + similar if certain else similar
        return TimeColumns(chosen=decided[0], unused=tuple(sorted(rest)))
    return TimeColumns(rivals=tuple(decided or similar))


def column_content(values: Sequence[str], dtype: pl.DataType | None = None) -> Content:
    """Return what a column holds, by most of its values.

    Args:
        values: the first ones as text.
        dtype: its type where the file has types.
    """
    if dtype is not None and dtype.is_temporal():
        return "clock" if dtype == pl.Time else "dates"
    if dtype is not None and dtype.is_nested():
        return "text"
    filled = [value.strip() for value in values if value.strip()]
    if not filled:
        return ""
    if _most(_is_date, filled):
        return "dates"
    if _most(is_clock, filled):
        return "clock"
    if _most(_is_number, filled):
        return "epoch" if all(_is_number(value) and _is_epoch(float(value)) for value in filled) else "numbers"
    return "numbers" if any(re.search(r"\d", value) for value in filled) else "text"


def _most(test: Callable[[str], bool], values: Sequence[str]) -> bool:
    return sum(map(test, values)) * 2 > len(values)


def _is_date(value: str) -> bool:
    """Return whether a value is a date, or looks like one: what cannot be read must not be passed over."""
    shape = find_shape(value)
    return _DATES.fullmatch(value) is not None or (shape is not None and shape.family != "yyyymmdd")


def _is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def _is_epoch(number: float) -> bool:
    return any(_EARLIEST * unit <= number < _LATEST * unit for unit in (1, 10**3, 10**6, 10**9))


def _dtype(dtypes: Sequence[pl.DataType], position: int) -> pl.DataType | None:
    return dtypes[position] if dtypes else None
