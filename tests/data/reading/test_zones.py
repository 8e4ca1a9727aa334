"""Times without a zone, turned clocks, and times that can hardly be meant."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.data.reading.time_reading import find_reading
from adrec_cli.errors import UsageError
from tests.data.reading.test_time_forms import NOON, first_times, refusal, write_times
from tests.data.table_files import run

pytestmark = pytest.mark.usefixtures("in_shell")


def test_times_without_a_zone_are_those_of_the_zone_that_is_said(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["2021-12-02 02:00", "2021-12-02T02:00:00Z", "2021-07-02 02:00"])
    assert first_times(source, tmp_path / "ws", timezone="Europe/Berlin") == [
        "2021-07-02T00:00:00+00:00",
        NOON,
        "2021-12-02T02:00:00+00:00",
    ]
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [datetime(2021, 12, 2, 2)]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert first_times(tmp_path / "t.parquet", tmp_path / "ws", timezone="Europe/Berlin") == [NOON]
    frame.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC")).write_parquet(tmp_path / "z.parquet")
    zoned = first_times(tmp_path / "z.parquet", tmp_path / "ws", timezone="Europe/Berlin")
    assert zoned == ["2021-12-02T02:00:00+00:00"]
    numbers = write_times(tmp_path / "n.csv", ["1638406800"])
    assert first_times(numbers, tmp_path / "ws", timezone="Europe/Berlin") == [NOON]
    whole = write_times(tmp_path / "w.csv", ["20211202"])
    assert first_times(whole, tmp_path / "ws", timezone="Europe/Berlin") == ["2021-12-01T23:00:00+00:00"]


def test_turned_clocks_are_said(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["2021-03-28 02:30", "2021-10-31 02:30", "2021-10-31 03:30"])
    result = run(source, tmp_path / "ws", timezone="Europe/Berlin")
    assert first_times(source, tmp_path / "ws2", timezone="Europe/Berlin") == [
        "2021-03-28T01:30:00+00:00",
        "2021-10-31T00:30:00+00:00",
        "2021-10-31T02:30:00+00:00",
    ]
    assert any("1 time stands twice in Europe/Berlin" in line for line in result.warnings)
    assert any("1 time does not exist in Europe/Berlin" in line for line in result.warnings)
    with pytest.raises(UsageError, match="--timezone Europe/Berlni is unknown") as caught:
        run(source, tmp_path / "ws", timezone="Europe/Berlni")
    assert "Europe/Berlin" in caught.value.hint


# ---- far out


def test_times_far_out_are_warned_of(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    values = ["1990-01-01", "1994-12-31 23:59:59", "1995-01-01", now.date(), now.replace(year=now.year + 2).date()]
    result = run(write_times(tmp_path / "t.csv", list(values)), tmp_path / "ws")
    assert "2 of 5 times lie before 1995, such as 1990-01-01T00:00:00Z" in result.warnings
    assert any(line.startswith("1 of 5 times lies after tomorrow, such as ") for line in result.warnings)
    assert len(result.warnings) == 2


def test_positions_are_not_far_out(tmp_path: Path) -> None:
    result = run(write_times(tmp_path / "t.csv", [1, 2, 3]), tmp_path / "ws", timestamp_unit="order")
    assert result.warnings == []
    error = refusal(write_times(tmp_path / "f.csv", [1.5, 1.25]), tmp_path / "ws", timestamp_unit="order")
    assert "expected a time like the others, times in their own order" in error.message


def test_a_unit_that_cannot_be_right_is_said(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", [1638406800, 1638406801])
    result = run(source, tmp_path / "ws", timestamp_unit="ms")
    assert "by their size these are no milliseconds but seconds: is --timestamp-unit right?" in result.warnings
    error = refusal(write_times(tmp_path / "m.csv", [1638406800000]), tmp_path / "ws", timestamp_unit="s")
    assert error.hint == "by their size these are no s: say --timestamp-unit ms"


WRITTEN = {
    "iso": "2021-12-31 23:59:59",
    "dmy": "31.12.2021 23:59",
    "mdy": "12/31/2021 11:59 PM",
    "month-name": "Fri Dec 31 23:59:59 +0000 2021",
    "yyyymmdd": "20211231T235959Z",
    "%d|%m|%Y": "31|12|2021",
}


@pytest.mark.parametrize(("form", "value"), WRITTEN.items())
def test_a_reading_is_forced_where_its_format_was_said_and_nowhere_else(form: str, value: str) -> None:
    assert find_reading([value], form=form).forced
    assert find_reading(["not yet"], form=form).forced
    assert not find_reading([value]).forced
    assert not find_reading(["1638406800"]).forced
    assert find_reading(["1638406800"], unit="s").forced
    assert find_reading(["20211231"], form="yyyymmdd").forced


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("zoned", [False, True])
def test_what_is_said_of_zones_is_so_in_any_file(tmp_path: Path, parquet: bool, zoned: bool) -> None:
    if parquet:
        time = pl.Series("timestamp", [datetime(2021, 12, 2, 2)]).dt.replace_time_zone("UTC" if zoned else None)
        source = tmp_path / "t.parquet"
        pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": time}).write_parquet(source)
    else:
        source = write_times(tmp_path / "t.csv", ["2021-12-02 02:00" + ("Z" if zoned else "")])
    said = " ".join(run(source, tmp_path / "ws").notes)
    assert ("each says its zone" in said) == zoned
    assert ("those without a zone are taken as UTC" in said) != zoned
