"""What is typed, what an earlier reading remembers, and which of the two stands for each column and for times."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.remembered import Remembered
from adrec_cli.data.reading.time_options import TimeOptions

PAIRS = list(itertools.product((None, "typed"), (None, "kept"), (False, True)))


def a_reading(known: bool, **reading: Any) -> Remembered | None:
    kept = {name: value for name, value in reading.items() if value is not None}
    return Remembered(dataset="shop", reading=kept) if known else None


@pytest.mark.parametrize(("typed", "kept", "known"), PAIRS)
@pytest.mark.parametrize("role", ["user", "item", "rating", "timestamp"])
def test_a_column_is_the_one_that_is_remembered(role: str, typed: str | None, kept: str | None, known: bool) -> None:
    options = ReadOptions(
        **{role: typed}, min_rating=3.0, remembered=a_reading(known, columns={role: kept} if kept else {})
    )  # fmt: skip
    expected = kept if known and kept else typed
    assert (options.time_column() if role == "timestamp" else options.column(role)) == expected  # type: ignore[arg-type]
    request = options.role_request()
    assert getattr(request, role) == expected
    assert request.rating_needed
    assert tuple(request.exact) == ((role,) if known and kept else ())


def test_a_rating_that_nothing_reads_may_be_missing_from_a_night() -> None:
    kept = a_reading(True, columns={"rating": "stars"})
    assert ReadOptions(remembered=kept).column("rating") is None
    assert ReadOptions(rating="typed").column("rating") == "typed"
    assert not ReadOptions(remembered=kept).role_request().rating_needed
    listed = a_reading(True, columns={"timestamp": ["date", "time"], "user": ["a", "b"]})
    assert ReadOptions(remembered=listed).time_column() == ["date", "time"]
    assert ReadOptions(user="typed", remembered=listed).column("user") == "typed"


@pytest.mark.parametrize(("zone", "kept_zone", "known"), [
    (typed and "Asia/Tokyo", kept and "Asia/Kolkata", known) for typed, kept, known in PAIRS
])  # fmt: skip
def test_the_zone_is_the_one_typed_else_the_one_remembered_else_utc(
    zone: str | None, kept_zone: str | None, known: bool
) -> None:
    options = ReadOptions(zone=zone, remembered=a_reading(known, timezone=kept_zone))
    assert options.times().zone == (zone or (kept_zone if known else None) or "UTC")


@pytest.mark.parametrize("unit", [None, "s"])
@pytest.mark.parametrize("form", [None, "%Y"])
@pytest.mark.parametrize("known", [False, True])
def test_how_times_are_written_is_typed_or_remembered_as_a_whole(unit: Any, form: str | None, known: bool) -> None:
    kept = a_reading(known, timestamp_unit="ms", timestamp_format="%d.%m.%Y")
    found = ReadOptions(unit=unit, time_format=form, remembered=kept).times()
    asked = unit is not None or form is not None or not known
    assert (found.unit, found.form) == ((unit, form) if asked else ("ms", "%d.%m.%Y"))
    assert found.zone == TimeOptions(unit=None, form=None, zone="UTC").zone
    assert found.unit_is_said is (not known or unit is not None)
