"""Files are read in the order in which people number them, wherever they lie."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.inbox import _files as list_inbox
from adrec_cli.data.natural_order import natural_key, order_naturally
from adrec_cli.data.object_stores import open_store
from adrec_cli.data.raw_files import _all_files, expand_path
from adrec_cli.data.remote_files import list_objects
from tests.data.table_files import read_sequences, run
from tests.examples import tries
from tests.object_store import bucket, endpoint

__all__ = ["bucket", "endpoint"]

IN_ORDER = [
    ["part-2", "part-10"],
    ["1.csv", "2.csv", "10.csv"],
    ["log-1.csv", "log.csv", "log2.csv", "log10.csv"],
    ["2026-9-30.csv", "2026-10-1.csv"],
    ["2026-01-02.csv", "2026-01-10.csv"],
    ["day1-part2", "day1-part10", "day2-part1"],
    ["007", "07", "7", "8"],
    ["part-00002-a9", "part-00010-a1"],
    ["a", "a1", "a1b", "aa"],
    ["x\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT ZERO}", "x\N{ARABIC-INDIC DIGIT TWO}"],
]


@pytest.mark.parametrize("names", [pytest.param(names, id=names[0]) for names in IN_ORDER])
def test_numbers_count_as_numbers(names: list[str]) -> None:
    for seed in range(3):
        assert order_naturally(random.Random(seed).sample(names, len(names)), str) == names


@settings(max_examples=tries(60))
@given(st.lists(st.text("ab-./_", max_size=6) | st.text("a0127", max_size=8), unique=True))
def test_names_whose_numbers_have_one_length_keep_the_order_of_letters(names: list[str]) -> None:
    assert order_naturally(names, str) == sorted(names, key=natural_key)
    assert len({natural_key(name) for name in names}) == len(names)
    plain = [name for name in names if not any(sign.isdigit() for sign in name)]
    assert order_naturally(plain, str) == sorted(plain)
    padded = [f"part-{number:05}-{name}" for number, name in enumerate(plain)]
    assert order_naturally(reversed(padded), str) == padded


NUMBERS = [2, 10, 1, 9, 11]
ROWS = "user_id,item_id\nu,i{0}\n"


@pytest.mark.parametrize("place", ["folder", "pattern", "folders", "raw", "inbox"])
def test_files_lie_in_their_natural_order(place: str, tmp_path: Path) -> None:
    for number in NUMBERS:
        path = tmp_path / (f"day-{number}/part.csv" if place == "folders" else f"part-{number}.csv")
        path.parent.mkdir(exist_ok=True)
        path.write_text(ROWS.format(number))
    source = {"pattern": "part-*.csv", "folders": "day-*/*.csv"}.get(place, ".")
    if place == "inbox":
        found = list_inbox(tmp_path)
    elif place == "raw":
        found = list(_all_files(tmp_path, ("part-*.csv",)))
    else:
        found = expand_path(str(tmp_path / source))
        made = run(tmp_path / source, tmp_path / "ws", name="log")
        assert read_sequences(made.folder)["u"] == [f"i{number}" for number in sorted(NUMBERS)]
    assert [path.read_text() for path in found] == [ROWS.format(number) for number in sorted(NUMBERS)]


@pytest.mark.parametrize("source", ["s3://lake/log", "s3://lake/log/part-*.csv"])
def test_objects_lie_in_their_natural_order(source: str, bucket: Any, tmp_path: Path) -> None:
    for number in NUMBERS:
        with bucket.open_output_stream(f"lake/log/part-{number}.csv", compression=None) as file:
            file.write(ROWS.format(number).encode())
    found = list_objects(*open_store(source), source)
    assert [os.path.basename(one.path) for one in found] == [f"part-{number}.csv" for number in sorted(NUMBERS)]
    made = run(source, tmp_path / "ws")
    assert read_sequences(made.folder)["u"] == [f"i{number}" for number in sorted(NUMBERS)]


def test_files_that_were_read_in_another_order_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.mkdir()
    for number in (2, 10):
        (log / f"part-{number}.csv").write_text(ROWS.format(number))
    with monkeypatch.context() as patch:
        patch.setattr("adrec_cli.data.raw_files.order_naturally", lambda entries, name: sorted(entries, key=name))
        assert read_sequences(run(log, tmp_path / "ws").folder)["u"] == ["i10", "i2"]
    again = run(log, tmp_path / "ws")
    assert not again.skipped
    assert "the files follow each other by name: part-2.csv, part-10.csv" in again.notes
    assert read_sequences(again.folder)["u"] == ["i2", "i10"]
    assert run(log, tmp_path / "ws").skipped
