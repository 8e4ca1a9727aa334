"""Bad rows: what is reported about them, and a hint about the fault at hand."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.data.reading.bad_rows import BadRow, BadRows
from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")

HEADER = "user_id,item_id,rating,timestamp"


def refusal(source: Path, workspace: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        run(source, workspace, **options)
    return caught.value


def test_five_rows_a_run_are_shown_and_the_rest_counted_by_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for name, bad in (("a", 3), ("b", 40), ("c", 0)):
        rows = [("u", f"i{n}", START + n) for n in range(5)] + [("u", "x", "soon")] * bad
        write_csv(tmp_path / "parts" / f"{name}.csv", rows)
    warnings = run(tmp_path / "parts", tmp_path / "ws", on_bad_row="skip").warnings
    assert warnings[0] == "43 bad rows were left out of 58"
    shown = warnings[1:6]
    assert [line.split(", line ")[1].split(",")[0] for line in shown] == ["7", "8", "9", "7", "8"]
    assert warnings[6:] == ["bad rows by file: b.csv 40, a.csv 3"]


def test_more_than_twenty_files_are_counted_only() -> None:
    rows = BadRows()
    for number in range(25):
        path = Path(f"{number:02}.csv")
        example = BadRow(path=path, place="line 2", column="", expected="3 fields", got="4 fields")
        rows.add(path, [example, example], 2 + number)
    lines = rows.lines(1000)
    assert len(lines) == 7
    assert lines[-1].startswith("bad rows by file: 24.csv 26, 23.csv 25, ")
    assert lines[-1].endswith("05.csv 7, and 5 more files")
    assert BadRows().lines(10) == []


@pytest.mark.parametrize(
    ("rows", "options", "hint"),
    [
        ([("u", "a", 5, "soon"), ("u", "b", 5, "later")], {}, "no row has a time there: name another column with"),
        (
            [("u", "a", 5, "soon"), ("u", "b", 5, START)],
            {},
            "fix the file, or leave such rows out with --on-bad-row skip",
        ),
        ([("", "a", 5, START), ("", "b", 5, START)], {}, "name the right column with --user-column"),
        ([("u", "", 5, START), ("u", "", 5, START)], {}, "name the right column with --item-column"),
        ([("u", "a", "good", START)] * 2, {"min_rating": 3}, "name the right column with --rating-column"),
        (
            [("u", "a", "4,5", START)],
            {},
            "put quotes around fields that hold the separator, such as numbers with a deci",
        ),
        ([("u", "a", 4, START * 1000)] * 2, {"timestamp_unit": "s"}, "--timestamp-unit ms"),
    ],
)
def test_the_hint_is_about_the_fault(
    tmp_path: Path, rows: list[tuple[object, ...]], options: dict[str, object], hint: str
) -> None:
    error = refusal(write_csv(tmp_path / "t.csv", rows, HEADER), tmp_path / "ws", **options)
    assert hint in error.hint


def test_only_bad_rows_leave_nothing_and_no_filter_is_blamed(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", [("u", "a", 5, "soon")], HEADER)
    error = refusal(source, tmp_path / "ws", on_bad_row="skip")
    assert "bad_rows removed 1" in error.message
    assert "--on-bad-row error" in error.hint


@pytest.mark.parametrize("rating", [4.7, 3.3, 0.1, 5.0])
def test_short_floats_are_as_good_as_the_numbers_they_stand_for(tmp_path: Path, rating: float) -> None:
    rows = {"user_id": ["u", "u"], "item_id": ["a", "b"], "rating": [rating, rating / 2], "timestamp": [START, START]}
    source = tmp_path / "t.parquet"
    pl.DataFrame(rows).with_columns(pl.col("rating").cast(pl.Float32)).write_parquet(source)
    assert read_sequences(run(source, tmp_path / "ws", min_rating=rating).folder) == {"u": ["a"]}


def test_ratings_with_a_decimal_comma_are_numbers(tmp_path: Path) -> None:
    rows = [("u", "a", "4,5", START), ("u", "b", "3", START), ("u", "c", "2,75", START), ("u", "d", "4.5", START)]
    source = tmp_path / "t.csv"
    source.write_text("\n".join([HEADER.replace(",", ";"), *(";".join(map(str, row)) for row in rows)]) + "\n")
    result = run(source, tmp_path / "ws", min_rating=2.9)
    assert read_sequences(result.folder) == {"u": ["a", "b", "d"]}
    assert "ratings have a decimal comma" in result.notes
    thousands = source.with_name("k.csv")
    thousands.write_text(source.read_text().replace("4,5", "4,500").replace("2,75", "2"))
    assert "expected a number, got '4,500'" in refusal(thousands, tmp_path / "ws", min_rating=2.9).message
