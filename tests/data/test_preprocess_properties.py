"""Whole runs of preprocessing against the plain version, on generated logs with awkward ids."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adrec_cli.errors import InputError
from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess
from tests.data.table_files import START, read_sequences
from tests.examples import tries
from tests.reference.preprocessing import normal_id
from tests.reference.preprocessing import preprocess as plain

AWKWARD = (
    "007",
    "7",
    "10",
    "9",
    "9223372036854775807",
    "a,b",
    'q"q',
    "x\ny",
    "é",
    "e\u0301",
    " s ",
    "日本",
    "NULL",
    "7.0",
    "7.00",
    "7.5",
    "[1, 2]",
    "[x]",
    "NA",
    "\t7",
    "{'a': 1}",
    "1.5e+17",
)
NUMBERS = ("1", "2", "10", "9", "007", "7", "100000000000000000000")
IDS = st.one_of(
    st.sampled_from(AWKWARD), st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=4)
)


def events(ids: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str, int]]]:
    row = st.tuples(ids, ids, st.integers(START, START + 3))
    return st.lists(row, min_size=1, max_size=25)


def write(path: Path, rows: list[tuple[str, str, int]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(("user_id", "item_id", "timestamp"))
        writer.writerows(rows)
    return path


@given(
    st.one_of(events(IDS), events(st.sampled_from(NUMBERS))),
    st.sampled_from(["source", "item"]),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from([0, 3]),
)
@settings(max_examples=tries(30), deadline=None)
def test_a_run_does_what_the_plain_version_does(
    rows: list[tuple[str, str, int]], ties: str, min_user: int, min_item: int, max_length: int
) -> None:
    options = PreprocessOptions(
        ties=ties,  # type: ignore[arg-type]
        min_user_interactions=min_user,
        min_item_interactions=min_item,
        max_length=max_length,
        name="log",
        on_bad_row="skip",
    )
    expected, items = plain(rows, ties=ties, min_user=min_user, min_item=min_item, max_length=max_length)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write(folder / "log.csv", rows)
        try:
            made = preprocess(str(source), workspace=folder, options=options).folder
        except InputError as error:
            assert not expected
            assert "nothing is left" in error.message or "no row can be read" in error.message
            return
        found = read_sequences(made)
        assert found == expected
        assert list(found) == list(expected)
        assert pl.read_parquet(made / "items.parquet")["item_id"].to_list() == items


@given(events(IDS), st.integers(0, 2**32 - 1))
@settings(max_examples=tries(15), deadline=None)
def test_the_order_of_the_rows_does_not_matter_when_ties_go_by_item(
    rows: list[tuple[str, str, int]], seed: int
) -> None:
    rows = [row for row in rows if normal_id(row[0]) is not None and normal_id(row[1]) is not None]
    assume(rows)
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    made = []
    with tempfile.TemporaryDirectory() as name:
        for number, order in enumerate((rows, shuffled)):
            folder = Path(name) / str(number)
            folder.mkdir()
            options = PreprocessOptions(ties="item", name="log")
            made.append(preprocess(str(write(folder / "log.csv", order)), workspace=folder, options=options).manifest)
    assert made[0].sequences_sha256 == made[1].sequences_sha256
    assert made[0].items_sha256 == made[1].items_sha256
