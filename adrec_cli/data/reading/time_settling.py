"""What only the whole of a source decides about its times: unit, order of day and month, what is out of range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adrec_cli.data.names import UTC_ZONE, TimeUnit
from adrec_cli.data.reading.calendar_numbers import CALENDAR_DIGITS, find_calendar_digits, read_calendar
from adrec_cli.data.reading.time_options import TimeOptions
from adrec_cli.data.reading.time_reading import NEVER, DayMonth, TimeReading
from adrec_cli.data.reading.time_zones import local_to_utc
from adrec_cli.data.reading.times import find_unit, moment_text, parse_moment, plausible, to_microseconds
from adrec_cli.errors import InputError
from adrec_cli.wording import inflect, option, say_count

EARLY: Final = parse_moment("1995-01-01", "early")
"""What lies before is warned of: few logs are older."""

_UNIT_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_ORDERS: Final[dict[DayMonth, str]] = {"dmy": "day before month", "mdy": "month before day"}
# Share of the dates that read one way only which must agree: the rest are typing errors, not another form.
_MOST_RATING: Final = 10
_AGREE: Final = 0.9

_DAY: Final = 26 * 3600 * 10**6
"""No zone is farther from UTC, in microseconds."""

Numbers = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ReadTimes:
    """The times of one table as its columns gave them.

    Attributes:
        path: of the file.
        reading: how they were read.
        values: microseconds of text and dates, numbers as they stand; 0 where the row is not good.
        good: which rows are good so far.
        month_first: `values` with the month before the day, where their order is open; else None.
        zoned: which rows say their zone, where only some do; else None.
    """

    path: Path
    reading: TimeReading
    values: Numbers
    good: NDArray[np.bool_]
    month_first: NDArray[np.int64] | None = None
    zoned: NDArray[np.bool_] | None = None


@dataclass(kw_only=True)
class SettledTimes:
    """The times of a source.

    Attributes:
        times: of each table, microseconds since the epoch in UTC, or the numbers of an order.
        good: of each table, which rows are good still.
        said: how the times are written, in words.
        unit: of numbers; None where there are none.
        form: the value of `--timestamp-format` that reads what is not a number the same way; None for several forms.
        timed: whether they are times at all.
        warnings: what should be looked at.
    """

    times: list[NDArray[np.int64]] = field(default_factory=list)
    good: list[NDArray[np.bool_]] = field(default_factory=list)
    said: str = "no times: the order of the rows"
    unit: TimeUnit | None = None
    form: str | None = None
    timed: bool = False
    warnings: list[str] = field(default_factory=list)


def settle_times(tables: Sequence[ReadTimes], options: TimeOptions, now: datetime | None = None) -> SettledTimes:
    """Turn what the columns of all tables of a source gave into times.

    Args:
        tables: of one source; what is found about one holds for all.
        options: what was said about the times.
        now: the present, for what lies after tomorrow.

    Raises:
        InputError: the numbers fit no unit, or the dates can be read two ways.
    """
    numbers = [table for table in tables if table.reading.kind in ("integer", "float")]
    digits = _find_digits(numbers, options)
    found = options.unit or (None if digits is not None else _find_unit(numbers))
    order = _find_order(tables)
    settled = SettledTimes()
    clocks = [0, 0]
    for table in tables:
        # Numbers since 1970 have no zone of their own; dates written as numbers have.
        dates = digits is not None if table in numbers else table.reading.kind in ("text", "native")
        local = dates and options.zone != UTC_ZONE
        ranged = not dates and not (options.unit is not None and options.unit_is_said)
        times, good = _convert(table, found, digits, order, ranged=ranged, slack=_DAY if local else 0)
        if local:
            times = _shift(table, times, options.zone, clocks)
            good = good & plausible(times, "us")
        settled.times.append(times)
        settled.good.append(good)
    settled.timed = all(table.reading.kind != "none" for table in tables) and found != "order"
    settled.unit = found if numbers else None
    _describe(settled, tables, options, digits, order)
    if settled.timed:
        settled.warnings += _clock_warnings(clocks, options.zone)
        settled.warnings += _far_out(settled, now or datetime.now(UTC)) + _other_unit(numbers, options)
    return settled


def _good_values(tables: Sequence[ReadTimes]) -> Numbers:
    chosen: list[Numbers] = [table.values if table.good.all() else table.values[table.good] for table in tables]
    return chosen[0] if len(chosen) == 1 else np.concatenate([np.asarray(values) for values in chosen])


def _find_digits(numbers: Sequence[ReadTimes], options: TimeOptions) -> int | None:
    if not numbers or options.unit is not None:
        return None
    values = _good_values(numbers)
    digits = find_calendar_digits(values) if len(values) else None
    return min(CALENDAR_DIGITS) if digits is None and options.form == "yyyymmdd" else digits


def _find_unit(numbers: Sequence[ReadTimes]) -> TimeUnit | None:
    if not numbers:
        return None
    values = _good_values(numbers)
    if not len(values):
        return None
    unit = find_unit(values)
    if unit is None:
        raise InputError(
            f"{numbers[0].path}: its times (around {np.median(values):g}) fit no unit since 1973, "
            "expected seconds, ms, us or ns since the epoch, or dates",
            hint=_hint_of_size(values),
        )
    return unit


def _hint_of_size(values: NDArray[np.int64] | NDArray[np.float64]) -> str:
    """Return what can be done about numbers that are no times since 1970 by their size."""
    lowest, highest = values.min(), values.max()
    if lowest >= 1900 and highest < 2100:
        return f"if these are years, say {option('timestamp_format', '%Y')}"
    if lowest >= 20_000 and highest < 80_000:
        return "if these are days of a spreadsheet, give the column the form of a date there, and save it again"
    if lowest >= 0 and highest <= _MOST_RATING:
        named = " ".join(
            option(f"{role}_column", place) for place, role in enumerate(("user", "item", "rating"), start=1)
        )
        return (
            f"if these are ratings, name the columns, for example {named}; "
            f"if places in an order: {option('timestamp_unit', 'order')}"
        )
    return (
        f"say {option('timestamp_unit', 's')}, "
        f"or {option('timestamp_unit', 'order')} if only their order means something; "
        f"name a custom date format with {option('timestamp_format')}, such as '%y%m%d'"
    )


def _find_order(tables: Sequence[ReadTimes]) -> DayMonth | None:
    """Return the order of day and month that the whole source shows; None where nothing is open."""
    counts = {"dmy": 0, "mdy": 0}
    either: tuple[int, int] | None = None
    for table in tables:
        if table.month_first is None:
            continue
        day_first, month_first = table.values[table.good], table.month_first[table.good]
        counts["dmy"] += int(np.count_nonzero(month_first == NEVER))
        counts["mdy"] += int(np.count_nonzero(day_first == NEVER))
        differing = np.flatnonzero((day_first != NEVER) & (month_first != NEVER) & (day_first != month_first))
        if either is None and len(differing):
            either = int(day_first[differing[0]]), int(month_first[differing[0]])
    if all(table.month_first is None for table in tables):
        return None
    order: DayMonth = "dmy" if counts["dmy"] >= counts["mdy"] else "mdy"
    path = next(table.path for table in tables if table.month_first is not None)
    if either is not None and not any(counts.values()):
        raise InputError(
            f"{path}: its dates read two ways, the first as {_day(either[0])} or as {_day(either[1])}, and none "
            "decides whether the day or the month comes first",
            hint=f"{option('timestamp_format', 'dmy')} ({_day(either[0])}) or {option('timestamp_format', 'mdy')} "
            f"({_day(either[1])})",
        )
    if counts[order] < _AGREE * sum(counts.values()):
        raise InputError(
            f"{path}: {counts['dmy']:,} of its dates have the day before the month, {counts['mdy']:,} the month before "
            "the day, so the others read two ways",
            hint=f"write all in one form, or say which to read: {option('timestamp_format', 'dmy')}, "
            f"or {option('timestamp_format', 'mdy')}",
        )
    return order


def _day(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds // 10**6, UTC)
    return f"{moment.day} {moment:%B} {moment.year}"


def _convert(
    table: ReadTimes, unit: TimeUnit | None, digits: int | None, order: DayMonth | None, *, ranged: bool, slack: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a table's times in microseconds, 0 where a row is not good, and which rows are."""
    kind, values, good = table.reading.kind, table.values, table.good
    if kind == "none":
        return values.astype(np.int64, copy=False), good
    if table.month_first is not None and order == "mdy":
        values = table.month_first
    own: TimeUnit = "us"
    if kind in ("integer", "float"):
        own = unit or "s"
        if digits is not None:
            values, dates = read_calendar(values, digits)
            good, own = good & dates, "us"
    wrong = ~plausible(values, own, found=ranged, slack=slack) & good
    if wrong.any():
        good = good & ~wrong
    if not good.all():
        values = np.where(good, values, 0)
    return to_microseconds(values, own), good


def _shift(table: ReadTimes, times: NDArray[np.int64], zone: str, clocks: list[int]) -> NDArray[np.int64]:
    """Turn times that say no zone from local ones into UTC; count in `clocks` the double and the missing ones."""
    reading = table.reading
    if reading.zoned if reading.kind == "native" else bool(reading.shapes) and all(s.zoned for s in reading.shapes):
        return times
    local = local_to_utc(times, zone)
    plain = table.good if table.zoned is None else table.good & ~table.zoned
    clocks[0] += int(np.count_nonzero(local.twice & plain))
    clocks[1] += int(np.count_nonzero(local.never & plain))
    return local.times if table.zoned is None else np.where(table.zoned, times, local.times)


def _describe(
    settled: SettledTimes,
    tables: Sequence[ReadTimes],
    options: TimeOptions,
    digits: int | None,
    order: DayMonth | None,
) -> None:
    """Say in words how the times are written, and by what format they are read again."""
    dates = [table.reading for table in tables if table.reading.kind in ("text", "native")]
    forms = {_form_of(table.reading, digits, order) for table in tables}
    unit, zone = settled.unit, options.zone
    settled.form = forms.pop() if len(forms) == 1 else None
    if digits is not None:
        settled.said = f"dates written as {CALENDAR_DIGITS[digits]}, taken as {zone}"
    elif unit is not None:
        settled.said = f"times in {_UNIT_NAMES.get(unit, 'their own order')}" + (
            "" if options.unit is not None and options.unit_is_said else " (found from their size)"
        )
    elif dates:
        some = next((reading.order for reading in dates if reading.family == "day-month"), None) or order
        words = f", {_ORDERS[some]}" if some is not None else ""
        zoned = all(r.zoned or (bool(r.shapes) and all(shape.zoned for shape in r.shapes)) for r in dates)
        settled.said = f"dates and times{words}; " + (
            "each says its zone" if zoned else f"those without a zone are taken as {zone}"
        )


def _form_of(reading: TimeReading, digits: int | None, order: DayMonth | None) -> str | None:
    if reading.kind in ("integer", "float"):
        return "yyyymmdd" if digits is not None else None
    if reading.family == "day-month":
        return reading.order or order
    return reading.family if reading.family in ("iso", "yyyymmdd", "month-name") else None


def _other_unit(numbers: Sequence[ReadTimes], options: TimeOptions) -> list[str]:
    """Return a warning if numbers of the unit that was said are by their size those of another one."""
    values = _good_values(numbers) if numbers and options.unit is not None else np.zeros(0)
    unit = find_unit(values) if len(values) else None
    if options.unit is None or unit in (None, options.unit):
        return []
    return [
        f"by their size these are no {_UNIT_NAMES[options.unit]} but {_UNIT_NAMES[unit]}: "
        f"is {option('timestamp_unit')} right?"
    ]


def _clock_warnings(clocks: Sequence[int], zone: str) -> list[str]:
    warnings = []
    if clocks[0]:
        warnings.append(
            f"{say_count(clocks[0], 'time')} {inflect(clocks[0], 'stands', 'stand')} "
            f"twice in {zone}, as clocks were turned back; taken as the first"
        )
    if clocks[1]:
        warnings.append(
            f"{say_count(clocks[1], 'time')} {inflect(clocks[1], 'does', 'do')} not exist in {zone}, as "
            "clocks were turned forward; read as if they had not been: "
            f"is {option('timezone')} right?"
        )
    return warnings


def _far_out(settled: SettledTimes, now: datetime) -> list[str]:
    """Return a warning each for times before 1995 and times after tomorrow."""
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    late = parse_moment(tomorrow, "tomorrow")
    warnings = []
    for words, edge, before in (("before 1995", EARLY, True), ("after tomorrow", late, False)):
        count, example = 0, 0
        for times, good in zip(settled.times, settled.good, strict=True):
            far = (times < edge if before else times >= edge) & good
            some = int(np.count_nonzero(far))
            example = int(times[np.argmax(far)]) if some and not count else example
            count += some
        if count:
            rows = sum(int(np.count_nonzero(good)) for good in settled.good)
            warnings.append(
                f"{count:,} of {say_count(rows, 'time')} {inflect(count, 'lies', 'lie')} "
                f"{words}, such as {moment_text(example)}"
            )
    return warnings
