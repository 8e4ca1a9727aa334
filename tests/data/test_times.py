"""Times in every unit and form, and sources without any."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adrec_cli.data.reading.times import plausible
from tests.data.table_files import START, read_sequences, run, write_csv


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([START, START + 1, START + 2], "seconds (found"),
        ([START * 1000, START * 1000 + 1, START * 1000 + 2], "milliseconds"),
        ([START * 10**6, START * 10**6 + 1, START * 10**6 + 2], "microseconds"),
        ([START * 10**9, START * 10**9 + 1000, START * 10**9 + 2000], "nanoseconds"),
        ([float(START), START + 0.5, START + 1.5], "seconds"),
        (["2014-05-13", "2014-05-14", "2014-05-15"], "dates"),
        (["2014-05-13T16:53:20Z", "2014-05-13T16:53:21Z", "2014-05-13T18:53:22+02:00"], "dates"),
        (["2014-05-13 16:53:20", "2014-05-13 16:53:20.5", "2014-05-13"], "dates"),
    ],
)
def test_time_units_are_found_and_said(tmp_path: Path, values: list[object], said: str) -> None:
    source = write_csv(tmp_path / "t.csv", [("u", f"i{n}", value) for n, value in enumerate(values)])
    found = run(source, tmp_path / "ws")
    assert said in found.manifest.parameters["found"]["time"]
    first = found.manifest.statistics["first_time"]
    assert first.startswith("2014-05-13T")


def test_zones_are_turned_into_utc(tmp_path: Path) -> None:
    rows = [("u", "late", "2014-05-13T12:00:00+00:00"), ("u", "early", "2014-05-13T13:00:00+02:00")]
    folder = run(write_csv(tmp_path / "t.csv", rows), tmp_path / "ws").folder
    assert read_sequences(folder) == {"u": ["early", "late"]}


def test_native_times_of_parquet(tmp_path: Path) -> None:
    times = pl.Series(["2014-05-13 16:53:20", "2014-05-13 16:53:21"]).str.to_datetime(time_unit="ns")
    for name, column in (
        ("ns", times),
        ("zone", times.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")),
        ("ms", times.cast(pl.Datetime("ms"))),
        ("date", times.cast(pl.Date)),
        ("text", times.cast(pl.String)),
    ):
        frame = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": column})
        frame.write_parquet(tmp_path / f"{name}.parquet")
        result = run(tmp_path / f"{name}.parquet", tmp_path / "ws")
        assert read_sequences(result.folder) == {"u": ["a", "b"]}
        expected = "2014-05-13T00:00:00Z" if name == "date" else "2014-05-13T16:53:20Z"
        assert result.manifest.statistics["first_time"] == expected


def test_sources_without_times_keep_their_order(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", [("u", "z"), ("u", "a"), ("u", "m")], "user_id,item_id")
    result = run(source, tmp_path / "ws", ties="item")
    assert read_sequences(result.folder) == {"u": ["z", "a", "m"]}
    assert result.manifest.statistics["first_time"] is None


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (0, True), (-5, True), (1.5, False), (2.0, True), (2**62 - 1, True), (2**62, False), (-(2**62) + 1, True),
        (-(2**62), False), (float(2**62), False), (math.nan, False), (math.inf, False),
    ],
)  # fmt: skip
def test_positions_are_whole_numbers_that_can_be_added_to(value, whole):
    """Those of an update are set behind the last one, which must not run over."""
    assert plausible(np.array([value]), "order").tolist() == [whole]
