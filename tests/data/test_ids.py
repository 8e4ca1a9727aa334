"""Ids have one form, wherever they come in."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.audience_files import read_ids
from adrec_cli.data.ids import MISSING, normal_id, normal_ids, spell_as_known
from adrec_cli.data.negatives import read_negatives
from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run
from tests.reference.preprocessing import normal_id as plain

pytestmark = pytest.mark.usefixtures("in_shell")

TEXTS = st.one_of(
    st.sampled_from(
        [" a", "1.0", "1", "1.50", "-3.00", "1e5", "1.2e+17", "1,2E+17", "NA", "None", "nan", "", " ", "[]", "[x]"]
    ),
    st.sampled_from(['["a","b"]', "['a']", "[1, 2]", "[a, b]", "{}", '{"a": 1}', "{a}", "\u3000x\u2003", "\\N"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6),
)


@given(st.lists(TEXTS, min_size=1))
def test_a_column_and_one_id_get_the_form_that_the_plain_version_says(texts: list[str]) -> None:
    expected = [plain(text) for text in texts]
    found = normal_ids(pl.Series("user", texts).cast(pl.Categorical))
    assert found.column.cast(pl.String).to_list() == expected
    assert [normal_id(text) for text in texts] == expected
    there = [text for text, normal in zip(texts, expected, strict=True) if normal is not None]
    assert found.stripped == sum(text != text.strip() for text in there)


@given(st.lists(TEXTS, min_size=1), st.lists(TEXTS))
def test_ids_that_are_asked_for_stay_where_they_are_known_as_they_stand(asked: list[str], known: list[str]) -> None:
    expected = [text if text in known or plain(text) is None else plain(text) for text in asked]
    assert spell_as_known(pl.Series(asked), pl.Series(known, dtype=pl.String)).to_list() == expected


@pytest.mark.parametrize(
    "text", [*MISSING, " a", "a ", "\t1", "7.0", "-7.00", "[]", "[1]", "{}", "1.5e+17", "1,5E+17", "\u3000x"]
)
def test_nothing_out_of_form_is_passed_over_in_a_column_of_its_own(text: str) -> None:
    assert (
        normal_ids(pl.Series([text]).cast(pl.Categorical)).column.cast(pl.String).to_list() == [plain(text)] != [text]
    )


def test_blanks_are_taken_off_and_counted_or_kept(tmp_path: Path) -> None:
    lines = ["user_id,item_id,timestamp", f" u ,a,{START}", f"u, b,{START + 1}", f"u,c,{START + 2}"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    made = run(tmp_path / "t.csv", tmp_path / "ws")
    assert read_sequences(made.folder) == {"u": ["a", "b", "c"]}
    assert "blanks around the user id of 1 row were taken off; --keep-blanks keeps them" in made.notes
    kept = run(tmp_path / "t.csv", tmp_path / "ws", name="kept", keep_blanks=True)
    assert read_sequences(kept.folder) == {" u ": ["a"], "u": [" b", "c"]}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_whole_floats_are_the_same_ids_as_integers(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    first = pl.DataFrame({"user_id": [1.0, 2.0], "item_id": [10, 11], "timestamp": [START, START]})
    second = pl.DataFrame({"user_id": [1, 2], "item_id": [12.0, 10.0], "timestamp": [START + 1, START + 1]})
    for number, frame in enumerate((first, second)):
        write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[form]
        write(folder / f"{number}.{form}")
    made = run(folder, tmp_path / "ws")
    assert read_sequences(made.folder) == {"1": ["10", "12"], "2": ["11", "10"]}
    # JSON makes no difference between 1.0 and 1.
    assert form == "jsonl" or any("whole numbers" in note for note in made.notes)


@pytest.mark.parametrize(
    "text",
    ["NaN", "nan", "null", "None", "  ", "[1, 2]", '["a","b"]', "['a']", "{'a': 1}", "1.23457E+17", "1,23457E+17"],
)
@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_what_is_no_id_is_a_bad_row(tmp_path: Path, text: str, column: str) -> None:
    rows = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [START] * 3})
    spoilt = rows.with_columns(pl.Series(column, [rows[column][0], text, rows[column][2]]))
    spoilt.write_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match=rf"line 3, column '{column}': expected the id of an? {column[:4]}"):
        run(tmp_path / "t.csv", tmp_path / "ws")
    made = run(tmp_path / "t.csv", tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(made.folder) == {"u": ["a"], "v": ["a"]}


def test_types_of_parquet_that_hold_ids_and_those_that_do_not(tmp_path: Path) -> None:
    times = [START, START + 1]

    def read(column: pl.Series) -> list[str]:
        frame = pl.DataFrame({"user_id": ["u", "u"], "item_id": column, "timestamp": times})
        frame.write_parquet(tmp_path / "t.parquet")
        return read_sequences(run(tmp_path / "t.parquet", tmp_path / "ws").folder)["u"]

    assert read(pl.Series([7.0, 8.0])) == ["7", "8"]
    assert read(pl.Series([Decimal("7.00"), Decimal("8.50")])) == ["7", "8.50"]
    assert read(pl.Series([b"a", b"\xc3\xa9"])) == ["a", "é"]
    assert read(pl.Series(["b", "a"], dtype=pl.Categorical)) == ["b", "a"]
    assert read(pl.Series(["2024-01-02", "2024-01-01"]).str.to_date()) == ["2024-01-02", "2024-01-01"]
    for column in (pl.Series([True, False]), pl.Series(["2024-01-02", "2024-01-01"]).str.to_datetime()):
        with pytest.raises(InputError, match="expected text or numbers"):
            read(column)
    # Neighbours of 2^24 are one float of 32 bits.
    short = pl.Series([2.0**24 - 1, 2.0**24], dtype=pl.Float32)
    with pytest.raises(InputError, match=r"row 2, column 'item_id': .* no float, which rounds .* got '16777216\.0'"):
        read(short)
    assert read(short.cast(pl.Int32)) == ["16777215", "16777216"]
    assert read(short.head(1).append(pl.Series([3.0], dtype=pl.Float32))) == ["16777215", "3"]
    for column in (pl.Series([1.0, float("nan")]), pl.Series([1.0, 2.0**53]), pl.Series([1.0, 2.5])):
        with pytest.raises(InputError, match="row 2, column 'item_id': expected the id of an item"):
            read(column)


def test_item_files_requests_and_negatives_have_the_same_form(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"user_id,item_id,timestamp\n1,10,{START}\n1,11,{START + 1}\n")
    (tmp_path / "items.csv").write_text("item_id,title\n 10 ,Apple\n11.0,Bread\nnan,Nothing\n")
    folder = run(tmp_path / "t.csv", tmp_path / "ws", items=tmp_path / "items.csv").folder
    items = pl.read_parquet(folder / "items.parquet")
    assert items["title"].to_list() == ["Apple", "Bread"]
    (tmp_path / "users.jsonl").write_text(json.dumps({"user_id": 17.0}) + "\n")
    assert read_ids(tmp_path / "users.jsonl", "user_id").to_list() == ["17"]
    (tmp_path / "users.csv").write_text("user_id\nnan\n")
    with pytest.raises(InputError, match="row 1 has no user_id"):
        read_ids(tmp_path / "users.csv", "user_id")
    (tmp_path / "negatives.tsv").write_text("user_id\titem_id\tneg_items\n1.0\t 10\t[11.0]\n")
    found = read_negatives(tmp_path / "negatives.tsv", user_ids=["1"], targets=np.array([1]), items=items)
    assert found.tolist() == [[2]]
