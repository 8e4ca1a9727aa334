"""Whole numbers as dates, at every bound of their digits."""

from __future__ import annotations

import numpy as np
import pytest

from adrec_cli.data.reading.calendar_numbers import find_calendar_digits, read_calendar


@pytest.mark.parametrize(
    ("number", "digits", "expected"),
    [
        (19700101, 8, 0),
        (19691231, 8, -86_400),
        (19000101, 8, -2_208_988_800),
        (20000229, 8, 951_782_400),
        (19000229, 8, None),
        (20010229, 8, None),
        (20011301, 8, None),
        (20010001, 8, None),
        (20010100, 8, None),
        (20010431, 8, None),
        (18991231, 8, None),
        (21001231, 8, 4_133_894_400),
        (21010101, 8, None),
        (120010101, 8, None),
        (-20010101, 8, None),
        (20010101.5, 8, None),
        (1970010123, 10, 23 * 3600),
        (1970010124, 10, None),
        (197001012359, 12, 86_340),
        (197001012360, 12, None),
        (19700101235959, 14, 86_399),
        (19700101235960, 14, None),
        (19700101240000, 14, None),
    ],
)
def test_a_number_is_a_date_or_none(number: float, digits: int, expected: int | None) -> None:
    times, valid = read_calendar(np.array([number]), digits)
    assert valid.tolist() == [expected is not None]
    assert times.tolist() == [(expected or 0) * 10**6]


def test_most_numbers_decide_what_they_are() -> None:
    assert find_calendar_digits(np.array([20210101, 20210102, 99])) == 8
    assert find_calendar_digits(np.array([20210101, 20219999])) is None
    assert find_calendar_digits(np.arange(20_000_000, 21_000_000)) is None
    # Seconds of 2034 are dates with an hour only by chance.
    assert find_calendar_digits(np.arange(2_021_000_000, 2_022_000_000, 997)) is None
    with pytest.raises(ValueError, match="not 9"):
        read_calendar(np.array([1]), 9)
