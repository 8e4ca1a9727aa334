"""Whether the first row of a file names its columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run
from tests.examples import tries

ROWS = [("ann", "pen"), ("ann", "ink"), ("ann", "cup"), ("bob", "pen")]
EXPECTED = {"ann": ["pen", "ink", "cup"], "bob": ["pen"]}
TEXT = st.text("abcdefghijäöü _-", min_size=1, max_size=12).map(str.strip).filter(bool)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@settings(max_examples=tries(15), deadline=None)
@given(
    names=st.lists(TEXT, min_size=2, max_size=2, unique=True),
    blank=st.lists(st.sampled_from(["", "  ", "\t"]), max_size=3),
    separator=st.sampled_from(",;|"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_name_that_was_asked_for_proves_a_header_below_blank_lines(
    names: list[str], blank: list[str], separator: str, end: str
) -> None:
    lines = [*blank, separator.join(names), *(separator.join(row) for row in ROWS)]
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "log.csv"
        source.write_bytes((end.join(lines) + end).encode())
        made = run(source, Path(temporary) / "ws", user_column=names[0], item_column=names[1], timestamp_unit="order")
        assert read_sequences(made.folder) == EXPECTED


@pytest.mark.parametrize("header", ["customer,sku", "user_id,item_id", "Visitor,Product"])
def test_customary_names_are_a_header(tmp_path: Path, header: str) -> None:
    source = write(tmp_path / "h.csv", ["", header, *(",".join(row) for row in ROWS)])
    assert read_sequences(run(source, tmp_path / "ws").folder) == EXPECTED


def test_text_rows_without_header_are_rows_where_the_first_ones_values_come_again(tmp_path: Path) -> None:
    source = write(tmp_path / "h.csv", [",".join(row) for row in ROWS])
    assert read_sequences(run(source, tmp_path / "ws").folder) == EXPECTED
    # A customary name that is repeated below is a value.
    source = write(tmp_path / "i.csv", ["ann,item", "bob,item", "ann,box"])
    assert read_sequences(run(source, tmp_path / "ws").folder) == {"ann": ["item", "box"], "bob": ["item"]}


def test_a_first_row_of_text_that_may_be_either_is_asked_about(tmp_path: Path) -> None:
    source = write(tmp_path / "h.csv", ["wer,was", *(",".join(row) for row in ROWS)])
    with pytest.raises(InputError, match="line 1: it is unclear whether 'wer, was' names the columns"):
        run(source, tmp_path / "ws")
    with pytest.raises(InputError, match="known to be the user or the item"):
        run(source, tmp_path / "ws", header=True)
    rows = read_sequences(run(source, tmp_path / "ws", header=False).folder)
    assert rows == {**EXPECTED, "wer": ["was"]}


def test_a_first_row_without_dates_above_dates_is_a_header(tmp_path: Path) -> None:
    source = write(tmp_path / "h.csv", ["wer,was,wann", "ann,pen,2024-01-02", "bob,ink,2024-01-03"])
    with pytest.raises(InputError, match=r"wann \('2024-01-02', '2024-01-03'\) could be the time"):
        run(source, tmp_path / "ws")


def test_the_place_of_a_bad_row_below_blank_lines(tmp_path: Path) -> None:
    lines = ["", "user_id,item_id,timestamp", f"u,a,{START}", "u,b,x"]
    for name, number in (("t.csv", 4), ("u.csv", 5)):
        with pytest.raises(InputError, match=f"line {number}, column 'timestamp'"):
            run(write(tmp_path / name, ["", *lines] if name == "u.csv" else lines), tmp_path / "ws")
    lines = ["", "user_id::item_id::timestamp", f"u::a::{START}", "u::b::x"]
    with pytest.raises(InputError, match="line 4, column 'timestamp'"):
        run(write(tmp_path / "v.dat", lines), tmp_path / "ws")


@pytest.mark.parametrize(
    "rows",
    [
        ["click,u1,i1,1400000000", "buy,u1,i2,1400000001", "click,u2,i1,1400000002"],
        [f"{n % 2},u{n % 3},{n},140000000{n}" for n in range(10)] + ["1,u1,17,1400000011", "0,u2,18,1400000012"],
        ["u1,2021-12-02,i1", "u2,2021-12-03,i2"],
        ["u1,i1,good", "u2,i2,bad"],
    ],
)
def test_rows_that_contradict_the_customary_order_are_not_read_in_it(tmp_path: Path, rows: list[str]) -> None:
    with pytest.raises(InputError, match=r"known to be the user or the item; .*its columns: column_1"):
        run(write(tmp_path / "t.csv", rows), tmp_path / "ws")


@pytest.mark.parametrize("header", ["thing_id,what", "wer,idThing", "was,thingId", "Wer,Thing ID"])
def test_a_name_of_ids_is_a_header_above_text(tmp_path: Path, header: str) -> None:
    lines = [header, *(",".join(row) for row in ROWS)]
    made = run(write(tmp_path / "h.csv", lines), tmp_path / "ws", user_column=1, item_column=2)
    assert read_sequences(made.folder) == EXPECTED
    # Where ids look like such names, the first row is one of them.
    rows = ["a_id,thing_id", "b_id,thing_id", "a_id,other_id"]
    made = run(write(tmp_path / "i.csv", rows), tmp_path / "ws", user_column=1, item_column=2)
    assert read_sequences(made.folder) == {"a_id": ["thing_id", "other_id"], "b_id": ["thing_id"]}


@pytest.mark.parametrize("header", ["item_id,user_id", "sku,customer", "sku , customer"])
def test_files_put_behind_one_another_repeat_the_header(tmp_path: Path, header: str) -> None:
    part = [header, *(f"{item},{user}" for user, item in ROWS)]
    made = run(write(tmp_path / "h.csv", [*part[:3], header, *part[3:], header]), tmp_path / "ws")
    assert read_sequences(made.folder) == EXPECTED
    assert "h.csv: rows that say the header again were left out (2)" in made.notes
    # Far behind the first rows, too.
    many = [f"i{number},u{number % 9}" for number in range(2000)]
    made = run(write(tmp_path / "i.csv", [header, *many, header]), tmp_path / "ws")
    assert made.manifest.statistics["interactions"] == 2000
