"""Times read value by value with datetime.strptime, as the documentation of the reading says; slow."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_WEEK = ("", "%a ", "%a, ", "%A ", "%A, ")
_CLOCK = ("%H", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I %p", "%I:%M %p", "%I:%M:%S %p", "%I:%M:%S.%f %p")
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def _dates(family: str) -> list[str]:
    if family == "iso":
        return ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"]
    if family in ("dmy", "mdy"):
        first, second = ("%d", "%m") if family == "dmy" else ("%m", "%d")
        ways = [(sign, then) for sign in "-/. " for then in (sign, ", ")]
        return [f"{first}{sign}{second}{then}%Y" for sign, then in ways]
    names = ("%b", "%B")
    dated = [f"{week}%d{sign}{name}{sign}%Y" for week in _WEEK for name in names for sign in "-/ "]
    return dated + [f"{week}{name} %d{comma} %Y" for week in _WEEK for name in names for comma in ("", ",")]


def formats_of(family: str) -> list[str]:
    """Return the formats of a family: "iso", "dmy", "mdy", "month-name" or "yyyymmdd"; a zone is taken off before."""
    if family == "yyyymmdd":
        return ["%Y%m%d", *(f"%Y%m%d{gap}{clock}" for gap in "T " for clock in ("%H%M", "%H%M%S", "%H%M%S.%f"))]
    dates = _dates(family)
    forms = dates + [f"{date}{gap}{clock}" for date in dates for gap in (" ", "T", ", ") for clock in _CLOCK]
    if family == "month-name":
        forms += [f"{week}{name} %d {clock} %Y" for week in _WEEK for name in ("%b", "%B") for clock in _CLOCK]
    return forms


def _signs(text: str, *, half: bool) -> tuple[object, ...]:
    """Return what a format and a value it reads have in common, so that few formats need to be tried."""
    return (*(text.count(sign) for sign in "-/.:,"), half)


_FORMATS: dict[tuple[object, ...], list[str]] = {}
for _family in ("iso", "dmy", "mdy", "month-name", "yyyymmdd"):
    for _form in formats_of(_family):
        _FORMATS.setdefault((_family, *_signs(_form, half="%p" in _form)), []).append(_form)


def read_value(value: str, family: str, zone: str) -> int | None:
    """Return the microseconds of one time since the epoch, None if it is none of the family."""
    text = re.sub(r"(:\d\d),(\d)", r"\1.\2", value.strip())
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    text = re.sub(r"(\d)([AaPp][Mm])", r"\1 \2", text)
    # In ctime's form the zone stands before the year.
    found = re.search(r"(?<=[\dMm])( ?(?:Z|UTC|GMT)| ?[+-]\d\d(?::?\d\d)?)(?= \d{4}$|$)", text)
    candidates = [(text, "")]
    if found:
        candidates.insert(0, (text[: found.start()] + text[found.end() :], found[1].strip()))
    tried = []
    for plain, mark in candidates:
        half = re.search(r"\d ?[AaPp][Mm]\b", plain) is not None
        tried.append((plain, mark, _FORMATS.get((family, *_signs(plain, half=half)), [])))
    for plain, mark, form in ((plain, mark, form) for plain, mark, forms in tried for form in forms):
        if mark and not re.search("%[HI]", form):
            continue
        try:
            moment = datetime.strptime(plain, form)
        except ValueError:
            continue
        if mark:
            offset = "+0000" if mark.isalpha() else mark.replace(":", "").ljust(5, "0")
            moment = datetime.strptime(moment.isoformat(timespec="microseconds") + offset, "%Y-%m-%dT%H:%M:%S.%f%z")
        else:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        moment = moment.astimezone(UTC)
        since = moment - _FIRST
        inside = _FIRST <= moment < _LATEST
        return (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds if inside else None
    return None


def decide_order(values: list[str]) -> str:
    """Return "dmy" or "mdy" as a whole column shows it, "either" if all dates are the same both ways, "" if open.

    Args:
        values: of which each is a date by one of the two at least.
    """
    ways = [(read_value(value, "dmy", "UTC"), read_value(value, "mdy", "UTC")) for value in values]
    day_only = sum(month is None for _, month in ways)
    month_only = sum(day is None for day, _ in ways)
    if day_only or month_only:
        most, all_decided = max(day_only, month_only), day_only + month_only
        return "" if most < 0.9 * all_decided else "dmy" if day_only >= month_only else "mdy"
    return "either" if all(day == month for day, month in ways) else ""
