"""Times whose parts stand in columns of their own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.data.reading.test_time_forms import NOON, first_times, refusal
from tests.data.table_files import read_sequences, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")


@pytest.mark.parametrize("columns", ["Date,Time", None])
def test_date_and_time_of_day_in_two_columns(tmp_path: Path, columns: str | None) -> None:
    rows = [
        ("u", "b", "2021-12-02", "17:00:00"),
        ("u", "a", "2021-12-02", "1:00 AM"),
        ("u", "c", "2021-12-03", "00:00"),
    ]
    source = write_csv(tmp_path / "t.csv", rows, "user_id,item_id,Date,Time")
    result = run(source, tmp_path / "ws", timestamp_column=columns)
    assert read_sequences(result.folder) == {"u": ["a", "b", "c"]}
    assert result.manifest.parameters["found"]["columns"]["timestamp"] == ["Date", "Time"]


@pytest.mark.parametrize(("header", "asked"), [("year,month,day", "year,month,day"), ("a,b,c", "3,4,5"),
                                               ("year,month,day", "day,month,year")])  # fmt: skip
def test_year_month_and_day_in_three_columns(tmp_path: Path, header: str, asked: str) -> None:
    rows = [("u", "b", 2021, 12, 2), ("u", "a", 2021, 2, 12), ("u", "c", 2022, 1, 1)]
    source = write_csv(tmp_path / "t.csv", rows, f"user_id,item_id,{header}")
    assert first_times(source, tmp_path / "ws", timestamp_column=asked)[0] == "2021-02-12T00:00:00+00:00"
    frame = pl.read_csv(source)
    frame.write_parquet(tmp_path / "t.parquet")
    assert first_times(tmp_path / "t.parquet", tmp_path / "ws", timestamp_column=asked)[0][:10] == "2021-02-12"


def test_native_date_and_time_in_two_columns(tmp_path: Path) -> None:
    moments = pl.Series([datetime(2021, 12, 2, 17), datetime(2021, 12, 2, 1)])
    frame = pl.DataFrame(
        {"user_id": ["u", "u"], "item_id": ["b", "a"], "date": moments.dt.date(), "time": moments.dt.time()}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    for asked in (None, "date,time"):
        assert first_times(tmp_path / "t.parquet", tmp_path / "ws", timestamp_column=asked)[0] == NOON


def test_a_missing_part_of_a_time_is_a_bad_row(tmp_path: Path) -> None:
    rows = [("u", "a", "2021-12-02", "01:00"), ("u", "b", "2021-12-02", " ")]
    source = write_csv(tmp_path / "t.csv", rows, "user_id,item_id,date,time")
    assert "line 3, column 'date,time'" in refusal(source, tmp_path / "ws").message
    assert "'date' has two roles" in refusal(source, tmp_path / "ws", timestamp_column="date,date").message
    error = refusal(source, tmp_path / "ws", timestamp_column="date,time,item_id", item_column=3)
    assert "two roles" in error.message
