"""Where validation and test begin: a moment of the calendar, or so long before the newest event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from adrec_cli.data.reading.times import moment_text, parse_moment
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

Moment = int | str
"""Microseconds since the epoch, or text such as "-14d": so long before the newest event."""

_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
_RELATIVE: Final = re.compile(r"-(\d{1,6})([hdw])")


def read_moment(text: str, key: str, zone: str) -> Moment:
    """Return the moment that an option gives.

    Args:
        text: an ISO date or time, or -14d, -2w, -12h.
        key: of the option, for messages.
        zone: IANA name, of moments that say none.

    Raises:
        UsageError: it is neither.
    """
    if _RELATIVE.fullmatch(text):
        return text
    if text.startswith("-"):
        raise UsageError(
            f"{option(key)}: {text!r} is not a date or time span", hint="hours, days or weeks: -12h, -14d, -2w"
        )
    return parse_moment(text, option(key), zone)


def resolve_moment(moment: Moment, newest: int) -> int:
    """Return a moment in microseconds.

    Args:
        moment: as `read_moment` returns it.
        newest: time of the newest event, in microseconds.
    """
    if isinstance(moment, int):
        return moment
    match = _RELATIVE.fullmatch(moment)
    if match is None:
        raise ValueError(f"{moment!r} is not a date or time span")
    return newest - int(match[1]) * _HOURS[match[2]] * 3600 * 10**6


def check_order(valid_from: Moment, test_from: Moment, newest: int | None = None) -> None:
    """Check that validation begins before test; what cannot be compared before the newest event is known, passes.

    Raises:
        UsageError: it does not.
    """
    if isinstance(valid_from, str) != isinstance(test_from, str) and newest is None:
        return
    if resolve_moment(valid_from, newest or 0) > resolve_moment(test_from, newest or 0):
        raise UsageError(
            f"{option('valid_from')} lies after {option('test_from')}", hint="validation comes before test"
        )


def warn_of_empty_parts(
    moments: Mapping[str, int], statistics: Mapping[str, Any], validation: int | None = None
) -> list[str]:
    """Return a warning for each part of a split by time that no event falls into.

    Args:
        moments: where validation (`valid_from`) and test (`test_from`) begin, in microseconds; none of another split.
        statistics: of what is split, with the texts `first_time` and `last_time`.
        validation: number of its events; None where nobody has counted them.
    """
    first, last = statistics.get("first_time"), statistics.get("last_time")
    if not moments or first is None or last is None:
        return []
    oldest, newest = parse_moment(first, "first_time"), parse_moment(last, "last_time")
    warnings = [
        f"no event is as late as {name}, {moment_text(moments[name])}, so {without}: the newest is of {last}"
        for name, without in (("valid_from", "validation has none"), ("test_from", "test has none"))
        if newest < moments[name]
    ]
    if validation == 0 and moments["valid_from"] < moments["test_from"] <= newest:
        since, until = (moment_text(moments[name]) for name in ("valid_from", "test_from"))
        warnings.append(f"no event is between valid_from, {since}, and test_from, {until}, so validation has none")
    if oldest >= moments["valid_from"]:
        warnings.append(
            f"no event is earlier than valid_from, {moment_text(moments['valid_from'])}, so training has none: "
            f"the oldest is of {first}"
        )
    return warnings
