"""Times as people write them: every form, with what must come out, and what must be refused."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.errors import AdrecError, InputError, UsageError
from tests.data.table_files import read_sequences, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")


def first_times(source: Path, workspace: Path, **options: object) -> list[str]:
    """Return the times of the only user as ISO text, in order."""
    folder = run(source, workspace, **options).folder
    times = pl.read_parquet(folder / "sequences.parquet")["timestamps"][0].to_list()
    return [datetime.fromtimestamp(time / 10**6, UTC).isoformat() for time in times]


def write_times(path: Path, values: list[object]) -> Path:
    rows = [("u", f"i{number}", f'"{value}"') for number, value in enumerate(values)]
    return write_csv(path, rows)


NOON = "2021-12-02T01:00:00+00:00"


@pytest.mark.parametrize(
    ("values", "expected", "form"),
    [
        (["2021-12-02 01:00:00 UTC"], NOON, "iso"),
        (["2021-12-02 01:00:00 GMT"], NOON, "iso"),
        (["2021-12-02 01:00:00Z"], NOON, "iso"),
        (["2021-12-02T01:00:00Z"], NOON, "iso"),
        (["2021-12-02 01:00:00+00"], NOON, "iso"),
        (["2021-12-02 03:00:00 +0200"], NOON, "iso"),
        (["2021-12-01T19:30:00-05:30"], NOON, "iso"),
        (["2021-12-02 01:00:00.000"], NOON, "iso"),
        (["2021-12-02 01:00:00,000"], NOON, "iso"),
        (["2021-12-02 01"], NOON, "iso"),
        (["2021-12-02 01+00"], NOON, "iso"),
        (["2021-12-02 1:00"], NOON, "iso"),
        (["2021-12-02 01:00 AM"], NOON, "iso"),
        (["2021-12-02 1 am"], NOON, "iso"),
        (["2021/12/02 01:00"], NOON, "iso"),
        (["2021.12.02 01:00"], NOON, "iso"),
        (["2021-12-2 1:00:00"], NOON, "iso"),
        (["20211202T010000Z"], NOON, "yyyymmdd"),
        (["20211202 0100"], NOON, "yyyymmdd"),
        (["20211202T030000+02"], NOON, "yyyymmdd"),
        (["20211202", "20211203"], "2021-12-02T00:00:00+00:00", "yyyymmdd"),
        (["2021120201"], NOON, "yyyymmdd"),
        (["202112020100"], NOON, "yyyymmdd"),
        (["20211202010000"], NOON, "yyyymmdd"),
        (["02.12.2021 01:00", "13.12.2021 01:00"], NOON, "dmy"),
        (["2.12.2021 1:00", "13.12.2021 1:00"], NOON, "dmy"),
        (["02/12/2021 01:00", "31/12/2021"], NOON, "dmy"),
        (["02-12-2021 01:00:00", "31-12-2021 01:00:00"], NOON, "dmy"),
        (["12/02/2021 01:00:00 AM", "12/30/2021 12:00:00 AM"], NOON, "mdy"),
        (["12/2/2021 1:00", "12/13/2021 1:00"], NOON, "mdy"),
        (["12 2, 2021", "12 30, 2021"], "2021-12-02T00:00:00+00:00", "mdy"),
        (["Thu Dec 02 01:00:00 +0000 2021"], NOON, "month-name"),
        (["Thu Dec  2 01:00:00 2021"], NOON, "month-name"),
        (["Thu, 02 Dec 2021 01:00:00 GMT"], NOON, "month-name"),
        (["2 December 2021 01:00"], NOON, "month-name"),
        (["Dec 2, 2021 1:00 AM"], NOON, "month-name"),
        (["02-Dec-2021 01:00"], NOON, "month-name"),
        (["1638406800"], NOON, "epoch-s"),
        (["1638406800000"], NOON, "epoch-ms"),
        (["1638406800,0", "1638406800,5"], NOON, "epoch-s"),
        (["1.6384068E9"], NOON, "epoch-s"),
        ([1638406800000000000], NOON, "epoch-ns"),
    ],
)
def test_a_form_is_read_and_remembered(tmp_path: Path, values: list[object], expected: str, form: str) -> None:
    source = write_times(tmp_path / "t.csv", values)
    result = run(source, tmp_path / "ws")
    reading = result.manifest.reading
    assert form == (reading["timestamp_format"] or f"epoch-{reading['timestamp_unit']}")
    assert first_times(source, tmp_path / "ws")[0] == expected
    assert first_times(source, tmp_path / "again", timestamp_format=form)[0] == expected


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("02.12.2021 01:00", "%d.%m.%Y %H:%M"),
        ("12/02/2021 01:00 AM", "%m/%d/%Y %I:%M %p"),
        ("02.12.21 01", "%d.%m.%y %H"),
        ("21336 01", "%y%j %H"),
        ("01h00 on 2021-12-02", "%Hh%M on %Y-%m-%d"),
        ("2021-12-02 01:00:00.000000", "%Y-%m-%d %H:%M:%S.%f"),
        ("2021-12-02 01:00:00,000", "%Y-%m-%d %H:%M:%S,%f"),
        ("2021-12-02 02:00:00 +0100", "%Y-%m-%d %H:%M:%S %z"),
        ("2021-12-02 01:00:00 UTC", "%Y-%m-%d %H:%M:%S UTC"),
        ("1638406800", "%s"),
        ("1638406800", "epoch-s"),
    ],
)
def test_a_format_that_is_given_is_followed(tmp_path: Path, value: str, form: str) -> None:
    source = write_times(tmp_path / "t.csv", [value])
    assert first_times(source, tmp_path / "ws", timestamp_format=form) == [NOON]


def test_a_format_without_day_or_month_takes_the_first(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["2021"])
    assert first_times(source, tmp_path / "ws", timestamp_format="%Y") == ["2021-01-01T00:00:00+00:00"]
    source = write_times(tmp_path / "m.csv", ["12/2021"])
    assert first_times(source, tmp_path / "ws", timestamp_format="%m/%Y") == ["2021-12-01T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("isoo", "is unknown"),
        ("%d.%m. %H:%M", "has no year"),
        ("%Y-%m-%d %Z", "names of zones"),
        ("%Y-%m-%d %Q", "'%Q' is unknown"),
        ("%Y-%m-%d %I:%M", "reads no time back"),
    ],
)
def test_a_format_that_cannot_be_followed_is_refused(form: str, said: str) -> None:
    from adrec_cli.pipeline.preprocess import PreprocessOptions

    with pytest.raises(UsageError, match=said) as caught:
        PreprocessOptions(timestamp_format=form)
    assert caught.value.hint


def refusal(source: Path, workspace: Path, **options: object) -> AdrecError:
    with pytest.raises(InputError) as caught:
        run(source, workspace, **options)
    assert caught.value.hint
    return caught.value


def test_a_format_that_does_not_fit_shows_the_first_value_and_what_it_expects(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["2021-12-02 01:00", "2021-12-03 01:00"])
    error = refusal(source, tmp_path / "ws", timestamp_format="%d.%m.%Y")
    assert "line 2, column 'timestamp': expected a time as --timestamp-format %d.%m.%Y" in error.message
    assert "such as '31.12.2021', got '2021-12-02 01:00'" in error.message


def test_dates_that_read_two_ways_are_refused_with_both_readings(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["01.02.2021", "03.04.2021"])
    error = refusal(source, tmp_path / "ws")
    assert "1 February 2021 or as 2 January 2021" in error.message
    assert error.hint == "--timestamp-format dmy (1 February 2021) or --timestamp-format mdy (2 January 2021)"
    assert first_times(source, tmp_path / "d", timestamp_format="dmy")[0].startswith("2021-02-01")
    assert first_times(source, tmp_path / "m", timestamp_format="mdy")[0].startswith("2021-01-02")


def test_dates_that_are_the_same_both_ways_need_no_decision(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["02.02.2021", "03.03.2021"])
    assert first_times(source, tmp_path / "ws")[0].startswith("2021-02-02")


@pytest.mark.parametrize("rows", [3, 500])
def test_one_row_anywhere_in_any_file_decides_for_all(tmp_path: Path, rows: int) -> None:
    (tmp_path / "parts").mkdir()
    for part in ("a", "b"):
        lines = [("u", f"{part}{n}", "01/02/2021") for n in range(rows)]
        lines += [("u", "last", "25/03/2021")] if part == "b" else []
        write_csv(tmp_path / "parts" / f"{part}.csv", lines)
    result = run(tmp_path / "parts", tmp_path / "ws")
    assert result.manifest.statistics["first_time"] == "2021-02-01T00:00:00Z"
    assert "day before month" in result.manifest.parameters["found"]["time"]


def test_both_orders_in_one_column_are_refused(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["25/03/2021", "03/25/2021", "01/02/2021"])
    for policy in ("error", "skip"):
        error = refusal(source, tmp_path / "ws", on_bad_row=policy)
        assert "1 of its dates have the day before the month, 1 the month before the day" in error.message


def test_one_typing_error_is_a_bad_row_and_no_other_order(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", [*(f"{day}/03/2021" for day in range(13, 26)), "03/25/2021", "01/02/2021"])
    assert "line 15" in refusal(source, tmp_path / "ws").message
    result = run(source, tmp_path / "ws", on_bad_row="skip")
    assert result.manifest.statistics["first_time"] == "2021-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("others", "odd"),
    [
        (["2021-12-02", "2021-12-03"], "1638406800"),
        (["2021-12-02", "2021-12-03"], "03.12.2021"),
        (["1638406800", "1638406801"], "2021-12-02"),
        (["25.12.2021", "26.12.2021"], "Dec 2, 2021"),
        (["20211202", "20211203"], "1638406800"),
        (["20211202", "20211203"], "20211332"),
        (["2021-12-02 01:00:00", "2021-12-02 01:00:01"], "2021-12-02 25:00:00"),
        (["2021-12-02 01:00:00", "2021-12-02 01:00:01"], "2021-02-29 01:00:00"),
        (["2021-12-02 01:00:00", "2021-12-02 01:00:01"], "21-12-02 01:00:00"),
    ],
)
def test_the_minority_are_bad_rows_and_never_read_otherwise(tmp_path: Path, others: list[str], odd: str) -> None:
    source = write_times(tmp_path / "t.csv", [*others, odd])
    assert "line 4, column 'timestamp': expected a" in refusal(source, tmp_path / "ws").message
    result = run(source, tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(result.folder) == {"u": ["i0", "i1"]}


def test_a_shape_that_comes_late_is_read_where_it_is_of_the_family(tmp_path: Path) -> None:
    values = ["2021-12-02 01:00:00"] * 300 + ["2021/12/03 01:00", "2021-12-04T01:00:00.5Z", "2021-12-05 01"]
    source = write_times(tmp_path / "t.csv", [*values])
    assert run(source, tmp_path / "ws").manifest.statistics["last_time"] == "2021-12-05T01:00:00Z"


def test_what_most_rows_hold_counts_where_the_first_rows_are_odd(tmp_path: Path) -> None:
    values = ["1638406800"] * 210 + ["2021-12-03 01:00"] * 500
    source = write_times(tmp_path / "t.csv", values)
    result = run(source, tmp_path / "ws", on_bad_row="skip", duplicates="keep")
    assert result.manifest.statistics["interactions"] == 500


def test_years_of_two_digits_are_refused_with_the_formats_that_fit(tmp_path: Path) -> None:
    error = refusal(write_times(tmp_path / "t.csv", ["25.12.21 01:00", "26.12.21 01:00"]), tmp_path / "ws")
    assert "two digits" in error.message
    assert error.hint == "say the format: --timestamp-format '%d.%m.%y %H:%M' or --timestamp-format '%y.%m.%d %H:%M'"
    assert first_times(tmp_path / "t.csv", tmp_path / "ws", timestamp_format="%d.%m.%y %H:%M") == [
        "2021-12-25T01:00:00+00:00",
        "2021-12-26T01:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["05-Jan-23", "31-dec-22"], "%d-%b-%y"),
        (["5 January 23 17:05", "32 January 07 01:00"], "%y %B %d %H:%M"),
        (["05/Jan/23 05:01:02 PM", "32/Jan/07 05:01:02 PM"], "%y/%b/%d %I:%M:%S %p"),
    ],
)
def test_months_by_name_with_years_of_two_digits_name_their_formats(
    tmp_path: Path, values: list[str], form: str
) -> None:
    error = refusal(write_times(tmp_path / "t.csv", values), tmp_path / "ws")
    assert "two digits" in error.message
    assert repr(values[0]) in error.message
    assert f"--timestamp-format {shlex.quote(form)}" in error.hint
    times = first_times(tmp_path / "t.csv", tmp_path / "ws", timestamp_format=form)
    assert times == sorted(times)
    assert len(times) == 2


def test_dates_as_whole_numbers_in_parquet(tmp_path: Path) -> None:
    for name, dtype in (("i", pl.Int64), ("s", pl.Int32), ("f", pl.Float64), ("t", pl.String)):
        column = pl.Series([20211202, 20211203]).cast(dtype)
        frame = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": column})
        frame.write_parquet(tmp_path / f"{name}.parquet")
        found = run(tmp_path / f"{name}.parquet", tmp_path / "ws")
        if name != "t":
            assert found.manifest.statistics["first_time"] == "2021-12-02T00:00:00Z"
            found = run(tmp_path / f"{name}.parquet", tmp_path / "ws", timestamp_format="%Y%m%d")
            assert found.manifest.statistics["last_time"] == "2021-12-03T00:00:00Z"


@pytest.mark.parametrize("values", [[1_700_000_001.0, 1_700_000_002.0], [20211203.0, 20211204.0]])
def test_floats_too_short_for_times_are_refused(tmp_path: Path, values: list[float]) -> None:
    source = tmp_path / "t.parquet"
    frame = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": values})
    frame.with_columns(pl.col("timestamp").cast(pl.Float32)).write_parquet(source)
    assert "'timestamp' holds Float32, which rounds times" in refusal(source, tmp_path / "ws").message
    # Places are small enough.
    frame.with_columns(pl.Series("timestamp", [2, 1], dtype=pl.Float32)).write_parquet(source)
    made = run(source, tmp_path / "ws", timestamp_unit="order")
    assert read_sequences(made.folder) == {"u": ["a", "b"]}


@pytest.mark.parametrize("values", [["1.7E+09", "1.71E+09"], ["1.7E+12", "1.7E+12"], ["2e9", "1.7001e+09"]])
def test_times_that_a_spreadsheet_rounded_are_refused(tmp_path: Path, values: list[object]) -> None:
    source = tmp_path / "t.csv"
    source.write_text(
        "".join(f"{line}\n" for line in ["user_id;item_id;timestamp", *(f"u;i;{value}" for value in values)])
    )
    assert f"rounded where they were written, such as {values[0]}" in refusal(source, tmp_path / "ws").message
    assert "rounded" in refusal(source, tmp_path / "ws", timestamp_unit="s").message


@pytest.mark.parametrize("values", [["1.7e9", "1700000001"], ["1.700000001e+09", "1.7E+09"]])
def test_exponents_of_programs_are_read(tmp_path: Path, values: list[object]) -> None:
    assert first_times(write_times(tmp_path / "t.csv", values), tmp_path / "ws")[0].startswith("2023-11-14T22:13:2")


def test_unit_and_dates_exclude_each_other(tmp_path: Path) -> None:
    source = write_times(tmp_path / "t.csv", ["2021-12-02", "2021-12-03"])
    assert "expected a number, got '2021-12-02'" in refusal(source, tmp_path / "ws", timestamp_unit="s").message
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [datetime(2021, 12, 2)]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert "holds dates" in refusal(tmp_path / "t.parquet", tmp_path / "ws", timestamp_unit="order").message


def test_an_update_is_read_as_the_first_file_was(tmp_path: Path) -> None:
    first = write_times(tmp_path / "shop.csv", ["13.02.2021", "14.02.2021"])
    run(first, tmp_path / "ws", timezone="Europe/Berlin")
    shop = tmp_path / "ws" / "shop"
    # Alone these dates would be refused.
    second = write_csv(tmp_path / "night.csv", [("u", "new", "01.03.2021")])
    result = run(second, tmp_path / "ws", update=shop)
    assert result.manifest.statistics["last_time"] == "2021-02-28T23:00:00Z"
    assert result.manifest.reading["timestamp_format"] == "dmy"
    third = write_csv(tmp_path / "odd.csv", [("u", "new", "2021-03-02")])
    with pytest.raises(InputError, match=r"such as 31\.12\.2021 23:59, the day first, got '2021-03-02'"):
        run(third, tmp_path / "ws", update=shop)
    result = run(third, tmp_path / "ws", update=shop, timestamp_format="iso")
    assert result.manifest.statistics["last_time"] == "2021-03-01T23:00:00Z"
    assert result.manifest.reading["timestamp_format"] == "iso"


def test_an_update_finds_the_columns_of_a_time_again(tmp_path: Path) -> None:
    rows = [("u", "b", "2021-12-02", "17:00:00"), ("u", "a", "2021-12-02", "1:00 AM")]
    for name, header in (("named", "user_id,item_id,Date,Time"), ("bare", "")):
        asked = {} if header else {"user_column": "1", "item_column": "2", "timestamp_column": "3,4"}
        run(write_csv(tmp_path / f"{name}.csv", rows, header), tmp_path / "ws", **asked)
        night = write_csv(tmp_path / f"{name}2.csv", [("u", "c", "2021-12-03", "1:00 AM")], header)
        result = run(night, tmp_path / "ws", update=tmp_path / "ws" / name)
        assert read_sequences(result.folder) == {"u": ["a", "b", "c"]}
