"""Columns of times in random forms, read by expressions and by datetime.strptime, value by value."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading.time_options import TimeOptions
from adrec_cli.data.reading.time_series import read_times
from adrec_cli.errors import InputError
from tests.data.table_files import run
from tests.examples import tries
from tests.reference.times import decide_order, read_value

ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia")
# Clocks are turned in many zones within these hours; days and months of one digit, leap days, bounds.
EDGES = [datetime(2021, 3, 28, 1), datetime(2021, 10, 31, 1), datetime(2018, 11, 4, 0), datetime(2011, 12, 29, 22),
         datetime(2021, 1, 2), datetime(2020, 2, 29, 23, 59, 59, 999_999), datetime(1970, 1, 1),
         datetime(2099, 12, 31, 23, 59, 59)]  # fmt: skip
MOMENTS = st.one_of(
    st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30)),
    st.builds(lambda edge, hours: edge + timedelta(minutes=hours), st.sampled_from(EDGES), st.integers(0, 300)),
)
MARKS = ("", "", "Z", " UTC", " GMT", "+00", "+0000", "-05:30", " +02:00", " -0800")
DATES = {
    "iso": ["{Y}-{m}-{d}", "{Y}/{m}/{d}", "{Y}.{M}.{D}", "{Y}-{M}-{D}"],
    "dmy": ["{d}.{m}.{Y}", "{d}/{m}/{Y}", "{D}-{M}-{Y}", "{D} {M}, {Y}"],
    "mdy": ["{m}/{d}/{Y}", "{M}/{D}/{Y}", "{m} {d}, {Y}", "{m}.{d}.{Y}"],
    "month-name": ["{d} {b} {Y}", "{D}-{b}-{Y}", "{B} {D}, {Y}", "{a}, {d} {b} {Y}", "{a} {b} {d} {Y}"],
}
CLOCKS = ["", "{H}", "{h}:{i}", "{H}:{i}:{s}", "{H}:{i}:{s}.{f}", "{H}:{i}:{s},{f3}", "{I} {p}", "{j}:{i} {P}",
          "{I}:{i}:{s}{p}", "{H}:{i}:{s}.{f}789"]  # fmt: skip

GIVEN = ["%d.%m.%y %H", "%y%j %H:%M:%S", "%b %d, %Y %I:%M %p", "%Y-%m-%d %H:%M:%S.%f", "%H:%M on %d/%m/%Y", "%m/%Y",
         "%Y", "%Y-%m-%dT%H:%M:%S%z"]  # fmt: skip


def spell(form: str, moment: datetime) -> str:
    """Write a moment in a form made of the pieces above."""
    hour = moment.hour % 12 or 12
    pieces = {
        "Y": f"{moment.year:04}", "m": f"{moment.month:02}", "M": moment.month,
        "d": f"{moment.day:02}", "D": moment.day,
        "H": f"{moment.hour:02}", "h": moment.hour, "I": f"{hour:02}", "j": hour, "i": f"{moment.minute:02}",
        "s": f"{moment.second:02}", "f": f"{moment.microsecond:06}", "f3": f"{moment.microsecond // 1000:03}",
        "p": "AM" if moment.hour < 12 else "PM", "P": "am" if moment.hour < 12 else "pm",
        "a": f"{moment:%a}", "b": f"{moment:%b}", "B": f"{moment:%B}",
    }  # fmt: skip
    return form.format(**pieces)


@st.composite
def columns(draw: st.DrawFn, family: str) -> list[str]:
    """Draw a column of one family, with blanks, and now and then what is not a time."""
    clocks = draw(st.lists(st.sampled_from(CLOCKS), min_size=1, max_size=3))
    dates = draw(st.lists(st.sampled_from(DATES[family]), min_size=1, max_size=2))
    values = []
    for moment in draw(st.lists(MOMENTS, min_size=3, max_size=8)):
        date, clock, gap = (draw(st.sampled_from(choices)) for choices in (dates, clocks, [" ", "T"]))
        text = spell(date + (gap + clock if clock else ""), moment)
        values.append(text + (draw(st.sampled_from(MARKS)) if clock else ""))
    odd = st.sampled_from(["", "  ", "soon", "2021-13-01", "31.02.2021", "2021-01-01 25:00", "2021-01-01 10:60", "1e9"])
    return values + draw(st.lists(odd, max_size=1)) + [f" {values[0]} "]


def assert_read_as_plain(values: list[str], family: str, zone: str, form: str | None = None) -> None:
    expected = [read_value(value, family, zone) for value in values]
    found = read_times(pl.Series("t", values), Path("t"), TimeOptions(zone=zone, form=form))
    assert dict(enumerate(zip(values, found.to_list(), strict=True))) == dict(
        enumerate(zip(values, expected, strict=True))
    )


@given(st.data(), st.sampled_from(["iso", "month-name"]), st.sampled_from(ZONES))
@settings(max_examples=tries(50), deadline=None)
def test_columns_are_read_as_the_plain_reader_reads_them(data: st.DataObject, family: str, zone: str) -> None:
    values = data.draw(columns(family))
    assume(sum(read_value(value, family, zone) is not None for value in values) * 2 > len(values))
    assert_read_as_plain(values, family, zone)


@given(st.data(), st.sampled_from(["dmy", "mdy"]), st.sampled_from(ZONES), st.booleans())
@settings(max_examples=tries(50), deadline=None)
def test_day_and_month_are_read_as_the_whole_column_shows(
    data: st.DataObject, family: str, zone: str, said: bool
) -> None:
    values = data.draw(columns(family))
    if said:
        assert_read_as_plain(values, family, zone, family)
        return
    dates = [value for value in values if any(read_value(value, way, "UTC") is not None for way in ("dmy", "mdy"))]
    order = decide_order(dates)
    if order:
        assert order in (family, "either") or "31.02.2021" in values
        assert_read_as_plain(values, "dmy" if order == "either" else order, zone)
        return
    with pytest.raises(InputError, match="two ways"):
        read_times(pl.Series("t", values), Path("t"), TimeOptions(zone=zone))


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(["", "T{H}{i}{s}", " {H}{i}", "T{H}{i}{s}.{f}"]),
       st.sampled_from(MARKS), st.sampled_from(ZONES))  # fmt: skip
@settings(max_examples=tries(40), deadline=None)
def test_compact_times(moments: list[datetime], clock: str, mark: str, zone: str) -> None:
    values = [spell("{Y}{m}{d}" + clock, moment) + (mark if clock else "") for moment in moments]
    assert_read_as_plain(values, "yyyymmdd", zone, "yyyymmdd")


@given(st.lists(MOMENTS, min_size=1, max_size=8), st.sampled_from([0, 2, 4, 6]), st.sampled_from(ZONES))
@example([datetime(1970, 1, 2)], 0, "UTC")
@settings(max_examples=tries(30), deadline=None)
def test_dates_as_whole_numbers(moments: list[datetime], more: int, zone: str) -> None:
    pieces = ["{Y}{m}{d}", "{H}", "{i}", "{s}"][: 1 + more // 2]
    values = [spell("".join(pieces), moment) for moment in moments]
    cut = {"hour": 0, "minute": 0, "second": 0}
    kept = [{name: value for place, (name, value) in enumerate(cut.items()) if place >= more // 2} for _ in moments]
    plain = [moment.replace(microsecond=0, **one) for moment, one in zip(moments, kept, strict=True)]  # type: ignore[arg-type]
    expected = [read_value(moment.isoformat(sep=" "), "iso", zone) for moment in plain]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "t.csv"
        rows = [f"u,i{place},{value}" for place, value in enumerate(values)]
        source.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
        assume(all(time is not None for time in expected))
        made = run(source, Path(folder) / "ws", timezone=zone).folder
        times = pl.read_parquet(made / "sequences.parquet")["timestamps"][0].to_list()
    assert sorted(times) == sorted(time for time in expected if time is not None)


@given(st.lists(MOMENTS, min_size=1, max_size=6), st.sampled_from(GIVEN), st.sampled_from(ZONES))
@settings(max_examples=tries(60), deadline=None)
def test_formats_that_are_given_are_followed_as_strptime_does(moments: list[datetime], form: str, zone: str) -> None:
    moments = [moment.replace(year=1970 + moment.year % 98) for moment in moments if moment.day < 29]
    assume(moments)
    values = [moment.replace(tzinfo=UTC).strftime(form) for moment in moments]
    expected = [
        read_value(datetime.strptime(value, form).isoformat(sep=" ", timespec="microseconds"), "iso", zone)
        for value in values
    ]
    found = read_times(pl.Series("t", values), Path("t"), TimeOptions(zone=zone, form=form))
    assert list(zip(values, found.to_list(), strict=True)) == list(zip(values, expected, strict=True))
