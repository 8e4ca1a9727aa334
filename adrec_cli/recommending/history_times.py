"""When the events of a given history were, for a model that reads it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from datetime import date, datetime
from numbers import Real

import numpy as np
import numpy.typing as npt

from adrec_cli.data.reading.times import LATEST, parse_moment
from adrec_cli.errors import UsageError
from adrec_cli.loading.recommender import Recommender
from adrec_cli.wording import option, say_count

Time = str | float | date | datetime | np.datetime64
"""Seconds since the epoch, or a date, which is its midnight, or time; UTC where it does not say."""
_EARLIEST = 10**8
"""1973, in seconds: a smaller number is none, but perhaps a date without its dashes."""


def read_seconds(recommender: Recommender, times: Sequence[Time] | None, events: int) -> npt.NDArray[np.int64] | None:
    """Return when the events of a history were, in whole seconds; None where the model does not read it.

    Args:
        recommender: that is asked.
        times: of each event, oldest first; None where they were not given.
        events: of the history.

    Raises:
        UsageError: they are needed and not given, are not times, are not one for each event, or go backwards.
    """
    if times is None:
        if recommender.model.reads_times and events:
            raise UsageError(
                f"{recommender.model.name} reads when events were (model.times is 'gaps'): "
                "a history needs a time for each item",
                hint=f"for example {option('times', '2026-01-30,2026-01-31T18:05')}",
            )
        return np.empty(0, dtype=np.int64) if recommender.model.reads_times else None
    if len(times) != events:
        raise UsageError(
            f"the history has {say_count(events, 'item')} and {say_count(len(times), 'time')}",
            hint="give one time for each item",
        )
    seconds = np.array([_read(time) for time in times], dtype=np.int64)
    if (np.diff(seconds) < 0).any():
        raise UsageError("the times of the history go backwards", hint="give the oldest item first")
    return seconds if recommender.model.reads_times else None


def _read(time: Time) -> int:
    given = time
    if isinstance(time, str):
        with contextlib.suppress(ValueError):
            time = float(time)
    elif isinstance(time, np.datetime64):
        time = time.astype("datetime64[us]").item()
    elif isinstance(time, date) and not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    # That of pandas is a datetime that equals nothing, that of NumPy is None.
    if not isinstance(time, str | datetime | Real) or time != time:
        raise UsageError(f"times of the history: {given!r} is not a date or time", hint="write a date as 2026-01-31")
    if isinstance(time, str | datetime):
        seconds = parse_moment(time, "times of the history") // 1_000_000
        # No time of a data set lies outside either.
        if not 0 <= seconds < LATEST:
            raise UsageError(f"times of the history: {time} is not between 1970 and 2100", hint="look for a slip in it")
        return seconds
    if not _EARLIEST <= time < LATEST:
        raise UsageError(
            f"times of the history: {time:.0f} is not in seconds since 1970, between 1973 and 2100",
            hint="write a date as 2026-01-31",
        )
    return math.floor(time)
