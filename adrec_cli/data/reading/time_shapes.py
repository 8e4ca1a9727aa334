"""How one time is written as text: its family (year first, day and month first, ...) and the pattern that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

Family = Literal["iso", "day-month", "yyyymmdd", "month-name", "short-year", "given"]

_MONTHS: Final = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                  "november", "december")  # fmt: skip
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ZONE: Final = r"(?P<zone> ?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?"
_HOUR: Final = (
    r"(?P<hour>\d{1,2})(?P<minute>:\d{1,2}(?P<second>:\d{1,2}(?P<fraction>[.,]\d{1,9})?)?)?(?P<half> ?[AaPp][Mm])?"
)
_CLOCK: Final = rf"(?P<gap>T| +|, ){_HOUR}{_ZONE}"
_YEAR_FIRST: Final = re.compile(rf"\d{{4}}(?P<sign>[-/.])\d{{1,2}}(?P=sign)\d{{1,2}}(?:{_CLOCK})?")
_YEAR_LAST: Final = re.compile(
    rf"\d{{1,2}}(?P<sign>[-/. ])\d{{1,2}}(?P<then>(?P=sign)|, )(?P<year>\d{{4}}|\d\d)(?:{_CLOCK})?"
)
# As Chinese and Japanese write it: 2021年12月31日.
_SIGNED: Final = re.compile(rf"\d{{4}}年\d{{1,2}}月\d{{1,2}}日(?:{_CLOCK})?")
_COMPACT: Final = re.compile(
    rf"\d{{8}}(?:(?P<apart>[T ])(?P<digits>\d{{6}}|\d{{4}})(?P<fraction>\.\d{{1,9}})?{_ZONE})?"
)
_DAY_NAME: Final = re.compile(
    rf"(?P<week>[A-Za-z]+)?(?P<after>,? )?\d{{1,2}}(?P<sign>[-/ ])(?P<month>[A-Za-z]+)(?P=sign)"
    rf"(?P<year>\d{{4}}|\d\d)(?:{_CLOCK})?"
)
_NAME_DAY: Final = re.compile(
    rf"(?:(?P<week>[A-Za-z]+)(?P<after>,? ))?(?P<month>[A-Za-z]+) \d{{1,2}}(?P<comma>,)? \d{{4}}(?:{_CLOCK})?"
)
# As ctime and Twitter write it: the year stands last.
_CTIME: Final = re.compile(
    rf"(?:(?P<week>[A-Za-z]+)(?P<after>,? ))?(?P<month>[A-Za-z]+)(?P<gap> +)\d{{1,2}} {_HOUR}{_ZONE} \d{{4}}"
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One way of writing a time.

    Attributes:
        family: what it has in common with other shapes of a column; a column has one family.
        pattern: for strptime as Polars knows it; day before month where these are numbers.
        zoned: whether it says its zone (an offset, Z, UTC or GMT).
        before: text put before both value and pattern, for what strptime needs and the value lacks.
        decimal_comma: whether fractions of a second follow a comma.
    """

    family: Family
    pattern: str
    zoned: bool = False
    before: tuple[str, str] = ("", "")
    decimal_comma: bool = False

    def month_first(self) -> Shape:
        """Return the same shape with the month before the day."""
        swapped = self.pattern.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")
        return replace(self, pattern=swapped)

    def parse(self, text: pl.Expr) -> pl.Expr:
        """Return the microseconds of texts of this shape, without a zone as if it were UTC; null for others."""
        if self.decimal_comma:
            text = text.str.replace(r"(:\d\d),(\d)", "${1}.${2}")
        if self.before[0]:
            text = pl.concat_str(pl.lit(self.before[0]), text)
        return text.str.to_datetime(self.before[1] + self.pattern, time_unit="us", strict=False).dt.epoch("us")


def find_shape(value: str) -> Shape | None:
    """Return the shape of one text without blanks around it, None if it looks like no time."""
    return next(_shapes(value), None)


def is_clock(value: str) -> bool:
    """Return whether a text is a time of day, such as 17:05 or 5:05:09 PM."""
    return ":" in value and re.fullmatch(rf"{_HOUR}{_ZONE}", value) is not None


def is_calendar_date(value: str) -> bool:
    """Return whether a text is a date without a time of day."""
    shape = find_shape(value)
    return shape is not None and not re.search("%[HI]", shape.pattern)


def _shapes(value: str) -> Iterator[Shape]:
    if match := _YEAR_FIRST.fullmatch(value):
        yield _add_clock(match, "iso", match["sign"].join(("%Y", "%m", "%d")))
    if match := _SIGNED.fullmatch(value):
        yield _add_clock(match, "iso", "%Y年%m月%d日")
    if match := _YEAR_LAST.fullmatch(value):
        family, year = _year(match, "day-month")
        yield _add_clock(match, family, f"%d{match['sign']}%m{match['then']}{year}")
    if match := _COMPACT.fullmatch(value):
        clock = "" if match["digits"] is None else match["apart"] + "%H%M%S"[: len(match["digits"])]
        fraction = "%.f" if match["fraction"] else ""
        zone, zoned = _zone(match["zone"])
        yield Shape(family="yyyymmdd", pattern=f"%Y%m%d{clock}{fraction}{zone}", zoned=zoned)
    if (match := _DAY_NAME.fullmatch(value)) and _names(match) and (match["week"] is None) == (match["after"] is None):
        family, year = _year(match, "month-name")
        day = match["sign"].join(("%d", _month(match["month"]), year))
        yield _add_clock(match, family, _week(match) + day)
    if (match := _NAME_DAY.fullmatch(value)) and _names(match):
        yield _add_clock(match, "month-name", f"{_week(match)}{_month(match['month'])} %d{match['comma'] or ''} %Y")
    if (match := _CTIME.fullmatch(value)) and _names(match):
        shape = _add_clock(match, "month-name", f"{_week(match)}{_month(match['month'])} %d")
        yield replace(shape, pattern=shape.pattern + " %Y")


def _add_clock(match: re.Match[str], family: Family, date: str) -> Shape:
    """Return the shape of a date with the time of day that the match found behind it, if any."""
    if match["hour"] is None:
        return Shape(family=family, pattern=date)
    clock = "%I" if match["half"] else "%H"
    clock += ("" if match["minute"] is None else ":%M") + ("" if match["second"] is None else ":%S")
    clock += ("%.f" if match["fraction"] else "") + (" %p" if match["half"] else "")
    zone, zoned = _zone(match["zone"])
    gap = " " if match["gap"].isspace() else match["gap"]
    return Shape(
        family=family,
        pattern=f"{date}{gap}{clock}{zone}",
        zoned=zoned,
        # An hour alone is not a time for strptime. In front, where no offset takes the zeros for its minutes.
        before=("", "") if match["minute"] else ("00 ", "%M "),
        decimal_comma=(match["fraction"] or "").startswith(","),
    )


def _year(match: re.Match[str], family: Family) -> tuple[Family, str]:
    """Return the family of a date, which years of two digits decide, and the pattern of its year."""
    return (family, "%Y") if len(match["year"]) == 4 else ("short-year", "%y")


def _zone(text: str | None) -> tuple[str, bool]:
    """Return the pattern of a zone and whether there is one; what is UTC by its name stands there as it is."""
    if text is None:
        return "", False
    return (text if text.strip().isalpha() else "%#z"), True


def _names(match: re.Match[str]) -> bool:
    month, week = match["month"].lower(), (match["week"] or "").lower()
    months = {*_MONTHS, *(name[:3] for name in _MONTHS)}
    return month in months and week in {"", *_WEEKDAYS, *(name[:3] for name in _WEEKDAYS)}


def _month(name: str) -> str:
    return "%b" if len(name) == 3 else "%B"


def _week(match: re.Match[str]) -> str:
    if match["week"] is None:
        return ""
    return ("%a" if len(match["week"]) == 3 else "%A") + str(match["after"])
