"""Times as sources write them, to microseconds since the epoch in UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.errors import UsageError

TimeKind = Literal["integer", "float", "text", "native", "none"]
TimeUnit = Literal["s", "ms", "us", "ns", "order"]

TIME_UNITS: Final[tuple[TimeUnit, ...]] = ("s", "ms", "us", "ns", "order")
"""`order` is any number whose order alone means something; it is stored as it is."""

LATEST: Final = 4_102_444_800
"""Seconds of 2100-01-01; what lies beyond is taken for a mistake."""

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Below 1e8 a number could be anything; 1e8 s is 1973, and the ranges of the units do not meet.
_UNIT_FLOOR: Final = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}

_INTEGER: Final = re.compile(r"[+-]?\d+")
_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
_FORMATS: Final = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%d %H:%M%z", "%Y-%m-%d %H:%M")


@dataclass(frozen=True, kw_only=True)
class TimeReading:
    """How the times of a column are read.

    Attributes:
        kind: of the values; "text" is ISO 8601, "native" a date or time type, "none" no time column.
        formats: tried in order for text.
    """

    kind: TimeKind
    formats: tuple[str, ...] = ()

    def wider(self) -> TimeReading | None:
        """The reading to try when this one, found from the first rows, fails on a later one."""
        if self.kind == "integer":
            return TimeReading(kind="float")
        if self.kind == "text" and self.formats != _FORMATS:
            return TimeReading(kind="text", formats=_FORMATS)
        return None


def find_reading(sample: Sequence[str]) -> TimeReading:
    """Find how the times of a text column are written, by what most of the sample fits.

    Args:
        sample: the first values as text.
    """
    values = [value.strip() for value in sample if value.strip()]
    iso = [value for value in values if _ISO.fullmatch(value)]
    if len(iso) * 2 > len(values):
        shapes = [_iso_format(value) for value in iso]
        return TimeReading(kind="text", formats=tuple(f for f in _FORMATS if f in shapes))
    fractions = any(_FLOAT.fullmatch(value) and not _INTEGER.fullmatch(value) for value in values)
    return TimeReading(kind="float" if fractions else "integer")


def time_expression(column: pl.Expr, reading: TimeReading) -> pl.Expr:
    """Return the expression that reads a column of times; what cannot be read becomes null.

    Returns:
        microseconds (int64) for text and native times, the number as it stands (int64 or float64) otherwise.
    """
    if reading.kind == "integer":
        return column.cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
    if reading.kind == "float":
        number = column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        return pl.when(number.is_finite()).then(number)
    text = column.cast(pl.String).str.strip_chars()
    text = text.str.replace("T", " ", literal=True).str.replace(r"Z$", "+00:00")
    parsed = [_parse(text, form) for form in reading.formats]
    return pl.coalesce(parsed)


def native_expression(column: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, TimeReading]:
    """Return expression and reading for a column that is not text (from Parquet or Arrow)."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.epoch("us"), TimeReading(kind="native")
    if isinstance(dtype, pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("us"), TimeReading(kind="native")
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False), TimeReading(kind="integer")
    number = column.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number), TimeReading(kind="float")


def find_unit(values: NDArray[np.int64] | NDArray[np.float64]) -> TimeUnit | None:
    """Return the unit of epoch times by their magnitude, that of the median; None where it fits none."""
    sample = values[:: max(1, len(values) // 100_000)]
    half = (len(sample) - 1) // 2
    # Not the mean of the two middle values: half seconds, half milliseconds would give a time between them.
    middle = float(np.partition(sample, half)[half])
    units: tuple[TimeUnit, ...] = ("ns", "us", "ms", "s")
    return next((unit for unit in units if middle >= _UNIT_FLOOR[unit]), None)


def plausible(values: NDArray[np.int64] | NDArray[np.float64], unit: TimeUnit, *, found: bool) -> NDArray[np.bool_]:
    """Return which times lie between the epoch and 2100 (and, when the unit was found, in its range)."""
    if unit == "order":
        return np.ones(len(values), dtype=np.bool_)
    low = _UNIT_FLOOR[unit] if found else 0
    high = min(LATEST * _PER_SECOND[unit], np.iinfo(np.int64).max)
    result: NDArray[np.bool_] = (values >= low) & (values < high)
    return result


def to_microseconds(values: NDArray[np.int64] | NDArray[np.float64], unit: TimeUnit) -> NDArray[np.int64]:
    """Convert plausible times of a unit to microseconds; "order" is kept as it stands."""
    if unit == "order":
        return values.astype(np.int64, copy=False)
    if unit == "ns":
        return (values // 1000).astype(np.int64, copy=False)
    factor = 10**6 // _PER_SECOND[unit]
    if factor == 1:
        return values.astype(np.int64, copy=False)
    if values.dtype.kind == "f":
        return np.rint(values * factor).astype(np.int64)
    return values.astype(np.int64, copy=False) * factor


def parse_moment(text: str | datetime, option: str) -> int:
    """Return the microseconds of an ISO date or time given as an option; without a zone it is UTC.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a date or time", hint="write it as 2014-05-01") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds


def moment_text(microseconds: int) -> str:
    """Return a time as ISO 8601 text in UTC."""
    seconds, rest = divmod(microseconds, 10**6)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat().replace("+00:00", "Z")


def _iso_format(value: str) -> str:
    if len(value) <= 10:
        return "%Y-%m-%d"
    zone = "%z" if re.search(r"(Z|[+-]\d\d:?\d\d)$", value[10:]) else ""
    return ("%Y-%m-%d %H:%M:%S%.f" if value[16:17] == ":" else "%Y-%m-%d %H:%M") + zone


def _parse(text: pl.Expr, form: str) -> pl.Expr:
    parsed = text.str.to_datetime(form, time_unit="us", strict=False)
    return parsed.dt.epoch("us")
