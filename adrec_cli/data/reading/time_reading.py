"""How the times of one column are read: found from a sample or said, as expressions over the whole column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

from adrec_cli.data.names import TimeUnit
from adrec_cli.data.reading.time_formats import NAMED_FORMATS, compile_format
from adrec_cli.data.reading.time_shapes import Family, Shape, find_shape

TimeKind = Literal["integer", "float", "text", "native", "none"]
DayMonth = Literal["dmy", "mdy"]

TIME, MONTH_FIRST, ZONED = "time", "time_month_first", "time_zoned"
"""Columns of the expressions: the times, the times if the month comes first, and whether a row says its zone."""

NEVER: Final = -(1 << 63)
"""Stands in `time` and `time_month_first` for what cannot be read, where only one of the two can."""

_INTEGER: Final = re.compile(r"[+-]?\d+")
_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, kw_only=True)
class TimeReading:
    """How the times of a column are read.

    Attributes:
        kind: of the values; "native" is a date or time type, "none" no time column.
        family: of text; None for other kinds.
        shapes: tried in order for text.
        order: of day and month, where they are numbers that stand before the year; None if it is still open.
        decimal_comma: whether fractional numbers have a comma.
        zoned: of native times, whether they have a zone.
        forced: whether kind and family were said, not found.
    """

    kind: TimeKind
    family: Family | None = None
    shapes: tuple[Shape, ...] = ()
    order: DayMonth | None = None
    decimal_comma: bool = False
    zoned: bool = False
    forced: bool = False

    @property
    def undecided(self) -> bool:
        """Whether both orders of day and month are read, until the whole column decides."""
        return self.family == "day-month" and self.order is None

    @property
    def mixes_zones(self) -> bool:
        """Whether some rows may say their zone and others not."""
        return len({shape.zoned for shape in self.shapes}) > 1

    def wider(self, failed: Sequence[str]) -> TimeReading | None:
        """Return the reading that takes in values which this one cannot read; None if there is none.

        Args:
            failed: distinct values, not blank; those of another family stay unread.
        """
        if self.kind == "integer":
            return replace(find_numbers(failed), forced=self.forced) if any(map(_is_fraction, failed)) else None
        if self.kind != "text" or self.family == "given":
            return None
        found = (find_shape(value) for value in failed)
        more = [shape for shape in dict.fromkeys(found) if shape is not None and shape.family == self.family]
        shapes = _drop_needless((*self.shapes, *more))
        return replace(self, shapes=shapes) if shapes != self.shapes else None


def find_reading(sample: Sequence[str], *, unit: TimeUnit | None = None, form: str | None = None) -> TimeReading:
    """Find how the times of a text column are written, by what most of the sample fits.

    Args:
        sample: the first values as text.
        unit: of numbers, if it was said: then the values are numbers.
        form: what `--timestamp-format` says, if anything, save for numbers since 1970.

    Raises:
        UsageError: the format cannot be used.
    """
    values = [value.strip() for value in sample if value.strip()]
    if unit is not None:
        return replace(find_numbers(values), forced=True)
    if form is not None and form not in NAMED_FORMATS:
        shape = compile_format(form)
        return TimeReading(kind="text", family="given", shapes=(shape,), forced=True)
    numbers = sum(_INTEGER.fullmatch(value) is not None or _is_fraction(value) for value in values)
    shapes = [shape for shape in map(find_shape, values) if shape is not None]
    if form is not None:
        shapes = [shape for shape in shapes if shape.family in NAMED_FORMATS[form][0]]
        numbers = numbers if form == "yyyymmdd" else -1
    families = Counter(shape.family for shape in shapes)
    family, most = max(families.items(), key=lambda entry: entry[1], default=(None, 0))
    if numbers >= most:
        return replace(find_numbers(values), forced=form is not None)
    if family is None:
        # Nothing fits yet; the format's own family may still fit later rows.
        return TimeReading(kind="text", family=NAMED_FORMATS[str(form)][0][0], forced=True)
    order: DayMonth | None = "dmy" if form == "dmy" else "mdy" if form == "mdy" else None
    own = _drop_needless(tuple(dict.fromkeys(shape for shape in shapes if shape.family == family)))
    return TimeReading(kind="text", family=family, shapes=own, order=order, forced=form is not None)


def find_numbers(sample: Sequence[str]) -> TimeReading:
    """Return the reading of a column of numbers."""
    comma = any(_DECIMAL_COMMA.fullmatch(value) for value in sample)
    return TimeReading(kind="float" if any(map(_is_fraction, sample)) else "integer", decimal_comma=comma)


def time_expressions(text: pl.Expr, reading: TimeReading) -> dict[str, pl.Expr]:
    """Return the expressions that read a column of text as times; what cannot be read becomes null.

    Returns:
        `time`: microseconds (int64) of text, without a zone as if it were UTC; of numbers, the number as it stands
        (int64 or float64). `time_month_first` where the order of day and month is still open, `time_zoned` where
        only some rows say their zone.
    """
    text = text.cast(pl.String).str.strip_chars()
    if reading.kind == "integer":
        return {TIME: text.cast(pl.Int64, strict=False)}
    if reading.kind == "float":
        text = text.str.replace(",", ".", literal=True) if reading.decimal_comma else text
        number = text.cast(pl.Float64, strict=False)
        return {TIME: pl.when(number.is_finite()).then(number)}
    if not reading.shapes:
        return {TIME: pl.lit(None, dtype=pl.Int64)}
    shapes = reading.shapes if reading.order != "mdy" else tuple(shape.month_first() for shape in reading.shapes)
    read = {TIME: pl.coalesce(shape.parse(text) for shape in shapes)}
    zoned = [shape.parse(text).is_not_null() for shape in shapes if shape.zoned]
    if reading.undecided:
        swapped = [shape.month_first() for shape in shapes]
        read[MONTH_FIRST] = pl.coalesce(shape.parse(text) for shape in swapped)
        zoned += [shape.parse(text).is_not_null() for shape in swapped if shape.zoned]
    if reading.mixes_zones:
        read[ZONED] = pl.any_horizontal(zoned)
    return read


def native_expression(column: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, TimeReading]:
    """Return expression and reading for a column that is not text (from Parquet or Arrow)."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.epoch("us"), TimeReading(kind="native", zoned=dtype.time_zone is not None)
    if isinstance(dtype, pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("us"), TimeReading(kind="native")
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False), TimeReading(kind="integer")
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number), TimeReading(kind="float")


def _is_fraction(value: str) -> bool:
    whole = _INTEGER.fullmatch(value) is not None
    return not whole and (_FLOAT.fullmatch(value) is not None or _DECIMAL_COMMA.fullmatch(value) is not None)


def _drop_needless(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Leave out shapes whose values another shape reads too: whole seconds where fractions may stand."""
    fractional = {shape.pattern for shape in shapes if "%.f" in shape.pattern and not shape.decimal_comma}
    return tuple(
        shape for shape in shapes if "%.f" in shape.pattern or re.sub("%S", "%S%.f", shape.pattern) not in fractional
    )
