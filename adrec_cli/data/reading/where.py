"""Conditions that an event must meet: `event in view,transaction`. Parsed here, never evaluated."""

from __future__ import annotations

import csv
import operator as operators
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from adrec_cli.data.reading.roles import Column, resolve_column
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import option

_FORM: Final = re.compile(
    r"""\s*(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^=!<>"']+?))\s*"""
    r"""(?P<operator>!=|<=|>=|=|<|>|\s(?:not\s+)?in\s)\s*(?P<values>.*)""",
    re.IGNORECASE | re.DOTALL,
)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_EXAMPLES: Final = 5

_ORDERS: Final[dict[str, Callable[[Any, Any], pl.Expr]]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_CHOICES: Final = {"=": True, "in": True, "!=": False, "not in": False}
"""Whether a row is kept whose value is among those named."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition.

    Attributes:
        text: as it was typed.
        column: name, or position from 1.
        operator: one of = != in, not in, < <= > >=.
        values: one, or for `in` and `not in` any number.
    """

    text: str
    column: Column
    operator: str
    values: tuple[str, ...]


def parse_condition(text: str) -> Condition:
    """Read a condition: a column, an operator and a value; values after `in` are separated by commas.

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{option('where', text)} is not a condition: expected COLUMN OPERATOR VALUE", hint=_give_examples()
        )
    operator = " ".join(found["operator"].lower().split())
    column = found["double"] or found["single"] or found["bare"].strip()
    values = _values(found["values"].strip(), several=operator.endswith("in"))
    if not values or (found["bare"] and re.match("[=!<>]", found["values"].strip())):
        raise UsageError(f"{option('where', text)} names no value after {operator!r}", hint=_give_examples())
    return Condition(text=text, column=column, operator=operator, values=values)


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
        placed.append((position, condition))
    return placed


def condition_holds(condition: Condition, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return whether a condition holds for each row: numbers compare as numbers, all else as text.

    Nothing is the empty text: no bound holds for it, and `!=` a value does.

    Args:
        condition: parsed.
        column: its column.
        dtype: the column's type.
    """
    text = column.cast(pl.String).str.strip_chars().fill_null("")
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


def _values(text: str, *, several: bool) -> tuple[str, ...]:
    """Return the values of a condition, unquoted; commas separate those after `in`."""
    if not several:
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return (text[1:-1],) if quoted else ((text,) if text else ())
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    quote = "'" if "'" in text and '"' not in text else '"'
    split = next(csv.reader([text], quotechar=quote, skipinitialspace=True), [])
    return tuple(value.strip() for value in split if value.strip())


def _give_examples() -> str:
    return f"for example {option('where', 'event in view,purchase')} or " + option("where", '"event type" = view')
