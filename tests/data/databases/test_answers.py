"""Answers as files: the types of Arrow that databases send, and bytes that say which rows came and nothing else."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.databases import answers
from adrec_cli.data.databases.answers import SQL_TYPE, Answer, write_answer
from adrec_cli.errors import InputError

BERLIN = datetime.datetime(2020, 7, 1, 14, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
IDS = [uuid.UUID(int=7), None, uuid.UUID(int=2**128 - 1)]


def write(table: pa.Table, target: Path, *, askers: Sequence[str] = (), batches: list[Any] | None = None) -> None:
    sent = table.to_batches() if batches is None else batches
    write_answer(Answer(batches=sent, schema=table.schema, askers=frozenset(askers)), target, on_rows=lambda rows: None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 2**62]), [1, None, 2**62]),
        (pa.array(["a", None, "é"]), ["a", None, "é"]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array(["a", None, "b"]).dictionary_encode(), ["a", None, "b"]),
        (pa.array([None, None], pa.null()), [None, None]),
        (pa.array([BERLIN], pa.timestamp("us", "Europe/Berlin")), [BERLIN]),
        (pa.array([10**18, 5], pa.int64()).cast(pa.decimal128(38, 0)), [10**18, 5]),
        (pa.array([True, None]), [True, None]),
        (pa.array([[1, 2], None]), [[1, 2], None]),
        (pa.array([None if one is None else one.bytes for one in IDS], pa.uuid()),
         [None if one is None else str(one) for one in IDS]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}'])), ['{"a": 1}']),
        (pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "numeric", "PostgreSQL"), pa.array(["1.50"])), ["1.50"]),
    ],
)  # fmt: skip
def test_values_are_those_that_the_database_shows(values: pa.Array, expected: list[Any], tmp_path: Path) -> None:
    write(pa.table({"a": values}), tmp_path / "a.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet")["a"].to_list() == expected


@pytest.mark.parametrize(
    ("field", "what"),
    [
        (pa.field("a", pa.opaque(pa.binary(), "inet", "PostgreSQL")), "inet"),
        (pa.field("a", pa.month_day_nano_interval()), "month_day_nano_interval"),
        (pa.field("a", pa.month_day_nano_interval(), metadata={SQL_TYPE: b"interval"}), "interval"),
        (pa.field("a", pa.duration("us")), r"duration\[us\]"),
        (pa.field("a", pa.int64(), metadata={SQL_TYPE: b"money"}), "money"),
        (pa.field("a", pa.int32(), metadata={SQL_TYPE: b"oid"}), "oid"),
    ],
)
def test_a_type_that_would_be_something_else_is_refused(field: pa.Field, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"'a' is {what}, which is not read") as raised:
        write(pa.schema([field]).empty_table(), tmp_path / "a.parquet")
    assert "CAST(a AS text)" in raised.value.hint


@given(cuts=st.lists(st.integers(0, 40), max_size=6), rows=st.integers(1, 40))
def test_bytes_do_not_depend_on_how_rows_came(cuts: list[int], rows: int, tmp_path_factory: Any) -> None:
    whole = pa.record_batch({"a": range(rows), "b": [f"u{row % 3}" for row in range(rows)]})
    inside = [0, *sorted(cut for cut in cuts if cut < rows), rows]
    batches = [whole.slice(begin, end - begin) for begin, end in pairwise(inside)]
    table = pa.Table.from_batches([whole])
    folder = tmp_path_factory.mktemp("a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "GROUP_ROWS", 7)
        write(table, folder / "one")
        write(table, folder / "other", batches=batches)
    assert (folder / "one").read_bytes() == (folder / "other").read_bytes()
    assert pl.read_parquet(folder / "other").equals(pl.DataFrame(table))
    assert pa.parquet.ParquetFile(folder / "other").num_row_groups == -(-rows // 7)


def test_the_rows_so_far_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "GROUP_ROWS", 4)
    told: list[int] = []
    table = pa.table({"a": range(10)})
    answer = Answer(batches=table.to_batches(), schema=table.schema, askers=frozenset())
    write_answer(answer, tmp_path / "a", told.append)
    assert told == [4, 8, 10]


def test_the_rows_are_counted(tmp_path: Path) -> None:
    for table, rows in (
        (pa.table({"a": pa.array([], pa.int64())}), 0),
        (pa.table({}), 0),
        (pa.table({"a": [1, 2]}), 2),
    ):
        answer = Answer(batches=table.to_batches(), schema=table.schema, askers=frozenset())
        assert write_answer(answer, tmp_path / "a") == rows


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two columns 'b' in the answer"):
        write(pa.Table.from_arrays([pa.array([1])] * 3, names=["a", "b", "b"]), tmp_path / "a")


@pytest.mark.parametrize("name", ["user", "USER", "current_user", "who"])
def test_who_asks_is_nobody_of_the_data(name: str, tmp_path: Path) -> None:
    kinds = {SQL_TYPE: b"name" if name == "who" else b"text"}
    schema = pa.schema([pa.field(name, pa.string(), metadata=kinds), pa.field("item", pa.string())])
    asked = pa.table([["me"] * 3, ["me"] * 3], schema=schema)
    with pytest.raises(InputError, match=f"column '{name}' says in every row who asks"):
        write(asked, tmp_path / "a", askers=["me"])
    write(asked, tmp_path / "a", askers=["them"])
    write(pa.table([["me", "you"], ["me", "me"]], schema=schema), tmp_path / "a", askers=["me"])
    write(asked.rename_columns(["person", "item"]), tmp_path / "a", askers=[] if name == "who" else ["me"])
