"""Dates written as one whole number: YYYYMMDD, and the same with HH, HHMM or HHMMSS behind."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

CALENDAR_DIGITS: Final = {8: "YYYYMMDD", 10: "YYYYMMDDHH", 12: "YYYYMMDDHHMM", 14: "YYYYMMDDHHMMSS"}
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
# Of numbers that merely lie in the range, one in 27 reads as a date.
_ENOUGH: Final = 0.5
_SAMPLE: Final = 100_000


def find_calendar_digits(values: NDArray[np.int64] | NDArray[np.float64]) -> int | None:
    """Return how many digits the dates have if most numbers read as dates of one length, else None.

    Args:
        values: numbers, at least one.
    """
    sample = values[:: max(1, len(values) // _SAMPLE)]
    for digits in CALENDAR_DIGITS:
        unit = 10 ** (digits - 4)
        inside = (sample >= _FIRST_YEAR * unit) & (sample < (_LAST_YEAR + 1) * unit)
        if inside.mean() > _ENOUGH and read_calendar(sample, digits)[1].mean() > _ENOUGH:
            return digits
    return None


def read_calendar(
    values: NDArray[np.int64] | NDArray[np.float64], digits: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read numbers as dates.

    Args:
        values: whole numbers; fractions are no dates.
        digits: of a number, 8, 10, 12 or 14.

    Returns:
        microseconds since the epoch as if the dates were UTC (0 for what is not a date), and which are dates.
    """
    if digits not in CALENDAR_DIGITS:
        raise ValueError(f"dates have 8, 10, 12 or 14 digits, not {digits}")
    inside = (values >= 0) & (values < 10**digits)
    whole = np.where(inside, values, 0).astype(np.int64)
    valid = inside & (whole == values)
    clock = np.zeros(len(values), dtype=np.int64)
    rest = whole
    for limit, seconds in ((60, 1), (60, 60), (24, 3600))[(14 - digits) // 2 :]:
        rest, part = rest // 100, rest % 100
        valid &= part < limit
        clock += part * seconds
    year, month, day = rest // 10_000, rest // 100 % 100, rest % 100
    valid &= (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    valid &= day <= ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    days = months.astype("M8[D]").astype(np.int64) + day - 1
    return np.where(valid, (days * 86_400 + clock) * 10**6, 0), valid
