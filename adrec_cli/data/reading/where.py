"""Which events meet the conditions that were typed."""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import polars as pl

from adrec_cli.data.reading.conditions import Condition
from adrec_cli.data.reading.roles import resolve_column
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.table_times import has_decimal_comma
from adrec_cli.data.reading.time_shapes import find_shape
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA_NUMBER: Final = r"^[+-]?\d{1,3}([. \u00a0\u202f]\d{3})*(,\d+)?$|^[+-]?\d+,\d+$"
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_YEAR_FIRST: Final = re.compile(r"\d{4}(?P<sign>[-/.])\d\d(?P=sign)\d\d")
_YEAR_AND_MONTH: Final = re.compile(r"\d{4}(?P<sign>[-/])\d\d")
_EXAMPLE_DATE: Final = "2024-01-31"
_EXAMPLES: Final = 5

_ORDERS: Final[dict[str, Callable[[Any, Any], pl.Expr]]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_CHOICES: Final = {"=": True, "in": True, "!=": False, "not in": False}
"""Whether a row is kept whose value is among those named."""


def place_conditions(table: Table, conditions: Sequence[Condition]) -> list[tuple[int, Condition]]:
    """Return the position, from 0, of each condition's column.

    Raises:
        InputError: the table has no such column.
    """
    placed = []
    for condition in conditions:
        position = resolve_column(table.columns, condition.column)
        if position is None:
            raise InputError(
                f"{table.path} has no column {condition.column!r} for {option('where', condition.text)}, "
                f"it has: {', '.join(table.columns[:30])}",
                hint=f"give a name or a position from 1 to {len(table.columns)}",
            )
        _require_dates_alike(table, position, condition)
        placed.append((position, condition))
    return placed


def _require_dates_alike(table: Table, position: int, condition: Condition) -> None:
    """Refuse to compare dates as text where that is not their order in time.

    Raises:
        InputError: a date of the condition does not begin with the year, or the column's values do not as it does.
    """
    ordered = condition.operator in _ORDERS
    dates = [value for value in condition.values if not _NUMBER.fullmatch(value) and _is_date(value)]
    dtype = table.dtypes[position] if table.dtypes else pl.String()
    held = [row[position].strip() for row in table.sample if len(row) > position and row[position].strip()]
    for date in dates:
        first = _YEAR_FIRST.match(date) or _YEAR_AND_MONTH.fullmatch(date)
        if first is None:
            odd = date if ordered else None
        elif dtype.is_temporal():
            odd = None if first["sign"] == "-" else date
        else:
            alike = [
                (match := _YEAR_FIRST.match(value)) is not None and match["sign"] == first["sign"] for value in held
            ]
            odd = next((value for value, fits in zip(held, alike, strict=True) if not fits), None)
            odd = odd if ordered or not any(alike) else None
        if odd is not None:
            raise InputError(
                f"{table.path}: {option('where', condition.text)} compares dates as text, and {odd!r} is not written "
                f"as {_EXAMPLE_DATE}",
                hint=f"name a column, and a bound, of dates such as {_EXAMPLE_DATE}, or of numbers such as 20240131",
            )


def find_decimal_commas(table: Table, placed: Sequence[tuple[int, Condition]]) -> list[int]:
    """Return the positions, ascending, of columns that are held against numbers and have a decimal comma."""
    numeric = {position for position, condition in placed if any(map(_NUMBER.fullmatch, condition.values))}
    return [position for position in sorted(numeric) if has_decimal_comma(table, position)]


def _is_date(value: str) -> bool:
    return find_shape(value) is not None or _YEAR_AND_MONTH.fullmatch(value) is not None


def condition_holds(condition: Condition, column: pl.Expr, dtype: pl.DataType, *, comma: bool = False) -> pl.Expr:
    """Return whether a condition holds for each row: numbers compare as numbers, all else as text.

    Nothing is the empty text: no bound holds for it, and `!=` a value does.

    Args:
        condition: parsed.
        column: its column.
        dtype: the column's type.
        comma: whether a decimal comma stands in its numbers; thousands are parted by points or blanks then.
    """
    text = column.cast(pl.String).str.strip_chars().fill_null("")
    if comma:
        plain = text.str.replace_all(r"[. \u00a0\u202f](\d{3})", "${1}").str.replace(",", ".", literal=True)
        text = pl.when(text.str.contains(_COMMA_NUMBER)).then(plain).otherwise(text)
    operator, values = condition.operator, condition.values
    if dtype.is_temporal() and all(_DATE.fullmatch(value) for value in values):
        text = text.str.slice(0, 10)
    if operator in _CHOICES:
        among = pl.any_horizontal(_equals(text, value) for value in values)
        return among if _CHOICES[operator] else ~among
    bound, compare = values[0], _ORDERS[operator]
    if not _NUMBER.fullmatch(bound):
        return (text != "") & compare(text, bound)
    number = text.cast(pl.Float64, strict=False).fill_nan(None)
    kept = compare(number, float(bound))
    if _INTEGER.fullmatch(bound):
        # Whole numbers beyond 2**53 are equal as floats.
        whole = text.cast(pl.Int64, strict=False)
        kept = pl.when(whole.is_not_null()).then(compare(whole, int(bound))).otherwise(kept)
    return kept.fill_null(False)


def no_row_left(table: Table, placed: Sequence[tuple[int, Condition]]) -> InputError:
    """Return the error that no row meets the conditions, with what the columns hold."""
    held = []
    for position, condition in placed:
        values = dict.fromkeys(row[position] for row in table.sample if len(row) > position)
        examples = ", ".join(list(values)[:_EXAMPLES])
        held.append(f"{option('where', condition.text)} ({table.columns[position]} holds {examples})")
    return InputError(
        f"{table.path}: no row meets {' and '.join(held)}",
        hint="name values that the column holds",
    )


def _equals(text: pl.Expr, value: str) -> pl.Expr:
    same = text == value
    if not _NUMBER.fullmatch(value):
        return same
    equal = text.cast(pl.Float64, strict=False) == float(value)
    if _INTEGER.fullmatch(value):
        whole = text.cast(pl.Int64, strict=False)
        equal = pl.when(whole.is_not_null()).then(whole == int(value)).otherwise(equal)
    return same | equal.fill_null(False)
