"""Where validation and test begin: a moment of the calendar, or so long before the newest event."""

from __future__ import annotations

import re
from typing import Final

from adrec_cli.data.reading.times import parse_moment
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
