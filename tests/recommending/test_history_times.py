"""When events of a history were, as Python says it: a moment is the same second in every type."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.errors import UsageError
from adrec_cli.recommending.history_times import read_seconds

READER = cast(Any, SimpleNamespace(model=SimpleNamespace(reads_times=True, name="adrec")))
SECONDS = st.integers(10**8, 4_102_444_799)


def read(*times: Any) -> list[int]:
    """Return the seconds of a history."""
    found = read_seconds(READER, times, len(times))
    assert found is not None
    return found.tolist()


@given(seconds=SECONDS, hours=st.integers(-12, 14), part=st.integers(0, 999_999))
def test_a_moment_is_the_same_second_in_every_type(seconds: int, hours: int, part: int) -> None:
    naive = datetime(1970, 1, 1) + timedelta(seconds=seconds, microseconds=part)
    aware = naive.replace(tzinfo=UTC)
    there = aware.astimezone(timezone(timedelta(hours=hours)))
    told = [
        seconds, float(seconds), str(seconds), np.int64(seconds), np.float64(seconds + part / 1e6), naive, aware, there,
        naive.isoformat(), there.isoformat(), np.datetime64(naive), np.datetime64(naive, "ms"),
        np.datetime64(naive, "ns"),
    ]  # fmt: skip
    assert read(*told) == [seconds] * len(told)
    assert read(*pl.Series([aware, aware])) == [seconds] * 2


@given(day=st.dates(date(1970, 1, 2), date(2099, 12, 31)))
def test_a_date_is_its_midnight(day: date) -> None:
    seconds = (day - date(1970, 1, 1)).days * 86_400
    assert read(day, day.isoformat(), np.datetime64(day), *pl.Series([day])) == [seconds] * 4


def test_pandas_times_are_times() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2026-01-31T18:05", tz="Europe/Berlin")
    assert read(stamp, *pandas.Series([stamp])) == [1769879100] * 2
    with pytest.raises(UsageError, match="not a date or time"):
        read(pandas.NaT)


@pytest.mark.parametrize(
    "wrong",
    [None, math.nan, np.datetime64("NaT"), Decimal(1_700_000_000), [1_700_000_000], b"2026-01-31", timedelta(1)],
)
def test_what_is_no_time_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="not a date or time"):
        read(wrong)


@pytest.mark.parametrize(
    "wrong", [True, 20260131, math.inf, date(1969, 12, 31), date(2200, 1, 1), "1969-01-01", "20260131"]
)
def test_a_time_that_is_a_slip_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="times of the history"):
        read(wrong)
