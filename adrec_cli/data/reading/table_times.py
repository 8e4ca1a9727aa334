"""The time column, or columns, of one table: which they are, how they are read, and what a row shows in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from adrec_cli.data.ids import SHORT_FLOATS
from adrec_cli.data.names import TimeUnit
from adrec_cli.data.reading.scanning import BLANK, scan
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.time_formats import NAMED_FORMATS
from adrec_cli.data.reading.time_options import TimeOptions
from adrec_cli.data.reading.time_parts import join_sample, join_time_columns
from adrec_cli.data.reading.time_reading import (
    TIME,
    TimeReading,
    find_reading,
    native_expression,
    time_expressions,
)
from adrec_cli.data.reading.time_shapes import find_shape
from adrec_cli.errors import InputError
from adrec_cli.wording import option

# Times since 1970 with five digits of ten: a day is less than the sixth. Programs that mean all of them write more.
_ROUNDED: Final = re.compile(r"\d(?:\.\d{0,4})?[eE]\+?\d+")
_DISTINCT: Final = 10_000
"""Largest number of different values that do not fit and are checked for another shape."""


def begin_reading(table: Table, positions: Sequence[int], options: TimeOptions) -> TimeReading:
    """Return how the times of a table are written, as its first rows show it or as it was said.

    Args:
        table: the recognised file.
        positions: of its time columns; none if the order of the rows is the time.
        options: what was said about the times.

    Raises:
        InputError: the columns hold what cannot be read as asked.
    """
    if not positions:
        return TimeReading(kind="none")
    if len(positions) == 1 and table.dtypes and table.dtypes[positions[0]] != pl.String:
        return _begin_native(table, positions[0], unit=options.unit, form=options.form)
    reading = find_reading(_sample(table, positions), unit=options.unit, form=options.form)
    if reading.family == "short-year":
        raise _short_year(table, positions)
    if reading.kind == "float" and options.unit != "order":
        _refuse_rounded(table, positions)
    return reading


def _refuse_rounded(table: Table, positions: Sequence[int]) -> None:
    """Refuse numbers that a spreadsheet has rounded to days and more, such as 1.7E+09."""
    values = [value.strip() for value in _sample(table, positions) if value.strip()]
    if len(values) > 1 and all(map(_ROUNDED.fullmatch, values)):
        raise InputError(
            f"{table.path}: its times were rounded where they were written, such as {values[0]}",
            hint="give the column a form of numbers with all digits in the spreadsheet, and save it again; "
            f"or name another column with {option('timestamp_column')}",
        )


def read_time_columns(
    table: Table, positions: Sequence[int], reading: TimeReading
) -> tuple[dict[str, pl.Expr], TimeReading]:
    """Return the expressions that read the times of a table, as `time_expressions` does, and the reading they follow.

    Args:
        table: the recognised file.
        positions: of its time columns, at least one.
        reading: how they are written.
    """
    if reading.kind == "native":
        time, reading = native_expression(pl.col(f"c{positions[0]}"), table.dtypes[positions[0]])
        return {TIME: time}, reading
    return time_expressions(_text(table, positions), reading), reading


def find_failing(table: Table, positions: Sequence[int], reading: TimeReading) -> list[str]:
    """Return distinct values of a table's time that a reading cannot read, blanks left out."""
    read = time_expressions(_text(table, positions), reading)
    failing = pl.all_horizontal(expression.is_null() for name, expression in read.items() if name != "time_zoned")
    text = _text(table, positions).str.strip_chars()
    rows = scan(table, positions).filter(~pl.col(BLANK)).select(text=text, failing=failing)
    frame = rows.filter(pl.col("failing") & (pl.col("text") != "")).select(pl.col("text").unique()).head(_DISTINCT)
    return frame.collect(engine="streaming")["text"].sort().to_list()


def show_time(positions: Sequence[int], row: dict[str, object]) -> str:
    """Return what a row holds in its time columns, as text."""
    return " ".join("" if row[f"c{place}"] is None else str(row[f"c{place}"]) for place in positions).strip()


def _sample(table: Table, positions: Sequence[int]) -> list[str]:
    if len(positions) == 1:
        return [row[positions[0]] for row in table.sample if len(row) > positions[0]]
    return join_sample(table.sample, positions, table.dtypes)


def _text(table: Table, positions: Sequence[int]) -> pl.Expr:
    dtypes = [table.dtypes[place] if table.dtypes else pl.String() for place in positions]
    columns = [pl.col(f"c{place}") for place in positions]
    if len(positions) > 1:
        return join_time_columns(columns, dtypes, table.path)
    if dtypes[0].is_float():
        # Dates written as numbers beside gaps become floats in pandas.
        return columns[0].cast(pl.Int64, strict=False).cast(pl.String)
    return columns[0].cast(pl.String)


def _begin_native(table: Table, position: int, *, unit: TimeUnit | None, form: str | None) -> TimeReading:
    dtype, name = table.dtypes[position], table.columns[position]
    if isinstance(dtype, (pl.Datetime, pl.Date)):
        if unit is not None or (form is not None and form not in NAMED_FORMATS):
            said = option("timestamp_format", form) if unit is None else option("timestamp_unit", unit)
            raise InputError(
                f"{table.path}: column {name!r} holds dates ({dtype}), which {said} cannot read", hint="leave it out"
            )
        return TimeReading(kind="native")
    if not (dtype.is_integer() or dtype.is_float() or dtype.is_decimal()):
        raise InputError(
            f"{table.path}: column {name!r} holds {dtype}, expected dates, numbers or text for the time",
            hint=f"name another with {option('timestamp_column')}; "
            f"a date and a time of day as {option('timestamp_column', 'date,time')}",
        )
    if str(dtype) in SHORT_FLOATS and unit != "order":
        raise InputError(
            f"{table.path}: column {name!r} holds {dtype}, which rounds times since 1970 to minutes and more",
            hint="write the file with the times as whole numbers or Float64, made from what they were before; "
            f"or name another column with {option('timestamp_column')}",
        )
    if unit is None and form is not None and form != "yyyymmdd":
        reading = find_reading([], form=form)
        if reading.family == "given":
            return reading
        raise InputError(
            f"{table.path}: column {name!r} holds numbers, expected {NAMED_FORMATS[form][1]}",
            hint=f"leave {option('timestamp_format')} out, or give the format of the numbers, such as '%Y%m%d'",
        )
    return TimeReading(kind="native")


def _short_year(table: Table, positions: Sequence[int]) -> InputError:
    """Return the error for years of two digits, which do not say whether they are years at all."""
    sample = [value for value in _sample(table, positions) if value.strip()]
    first = next(value.strip() for value in sample if _is_short_year(value))
    formats = _short_year_formats(first)
    formats = [form for form in formats if _all_read(sample, form)] or formats
    return InputError(
        f"{table.path}: its years have two digits, such as {first!r}, so day, month and year can be mistaken",
        hint="say the format: " + " or ".join(option("timestamp_format", form) for form in formats),
    )


def _short_year_formats(value: str) -> list[str]:
    """Return formats for a date with a year of two digits, by every order of day, month and year that is in use."""
    shape = find_shape(value)
    if shape is None:
        raise AssertionError("a date with a short year has a shape")
    pattern = shape.pattern.replace("%.f", ".%f").replace("%#z", "%z")
    if named := re.search(r"%d(.)(%[bB])\1%y", pattern):
        before, after = pattern[: named.start()], pattern[named.end() :]
        parts = ("%d", named[2], "%y")
        return [before + named[1].join(order) + after for order in (parts, parts[::-1])]
    date = re.match(r"%d(.)%m(, |.)%y", pattern)
    if date is None:
        raise AssertionError("a short year stands behind day and month")
    orders = (f"%d{date[1]}%m{date[2]}%y", f"%m{date[1]}%d{date[2]}%y", f"%y{date[1]}%m{date[2]}%d")
    return [order + pattern[date.end() :] for order in orders]


def _all_read(sample: Sequence[str], form: str) -> bool:
    try:
        return all(datetime.strptime(value.strip(), form) for value in sample)
    except ValueError:
        return False


def _is_short_year(value: str) -> bool:
    shape = find_shape(value.strip())
    return shape is not None and shape.family == "short-year"


def has_decimal_comma(table: Table, position: int) -> bool:
    """Return whether numbers of a column of text have a decimal comma; one before three digits may part thousands."""
    if table.dtypes and table.dtypes[position] != pl.String:
        return False
    values = [row[position].strip() for row in table.sample if len(row) > position]
    return any(re.fullmatch(r"[+-]?\d+,(\d{1,2}|\d{4,})", value) for value in values)
