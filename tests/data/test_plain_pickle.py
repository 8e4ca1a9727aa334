"""Pickles read as data: plain lists come out as they went in, and whatever could run is refused by name."""

from __future__ import annotations

import collections
import datetime
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading import plain_pickle
from adrec_cli.data.reading.pickled_cuts import write_cut_as_parquet
from adrec_cli.data.reading.plain_pickle import read_plain_pickle
from adrec_cli.errors import InputError
from tests.examples import tries

CUT = {"train": [[5, 300, 1], [2, 70_000]], "val": [[3], [1]], "test": [[4], [300]]}
plain = st.recursive(
    st.integers(-(2**31), 2**31 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)
in_one_folder = settings(max_examples=tries(80), suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, content: bytes) -> Path:
    path = folder / "dataset.pkl"
    path.write_bytes(content)
    return path


@in_one_folder
@given(plain, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_containers_come_out_as_they_went_in(tmp_path, value, protocol):
    assert read_plain_pickle(written(tmp_path, pickle.dumps(value, protocol))) == value


def test_what_stands_in_two_places_is_read_in_both(tmp_path):
    shared = [1, 2]
    assert read_plain_pickle(written(tmp_path, pickle.dumps([shared, shared]))) == [[1, 2], [1, 2]]


class Calls:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize(
    ("value", "opcode"),
    [
        (Calls(), "STACK_GLOBAL|GLOBAL"),
        (collections.OrderedDict(a=1), "STACK_GLOBAL|GLOBAL"),
        (datetime.date(2020, 1, 1), "STACK_GLOBAL|GLOBAL"),
        (np.arange(3), "STACK_GLOBAL|GLOBAL"),
        ((1, 2), "TUPLE2"),
        ({1, 2}, "EMPTY_SET|STACK_GLOBAL|GLOBAL"),
        (1.5, "BINFLOAT"),
        (b"x", "SHORT_BINBYTES|STACK_GLOBAL|GLOBAL"),
        (2**40, "LONG1"),
        (None, "NONE"),
        (True, "NEWTRUE"),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_anything_else_is_refused_by_its_opcode(tmp_path, capsys, value, opcode, protocol):
    for wrapped in (value, [value], {"train": [value]}):
        with pytest.raises(InputError, match=rf"byte \d+: opcode ({opcode})"):
            read_plain_pickle(written(tmp_path, pickle.dumps(wrapped, protocol)))
    assert capsys.readouterr().out == ""


@in_one_folder
@given(st.data())
def test_whatever_bytes_are_data_or_a_line(tmp_path, data):
    """Bytes of a real pickle changed, cut, repeated, and bytes of no pickle at all."""
    whole = pickle.dumps(CUT, 4)
    content = bytearray(data.draw(st.binary(max_size=60) | st.just(whole)))
    for _ in range(data.draw(st.integers(0, 6))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + content[data.draw(st.integers(0, len(content))) :]
    path = written(tmp_path, bytes(content))
    for read in (read_plain_pickle, lambda path: write_cut_as_parquet(path, tmp_path / "cut.parquet")):
        try:
            read(path)
        except InputError as error:
            assert str(path) in error.message
            assert error.hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it does not end|exhausted"),
        (b"\x80\x04", "exhausted"),
        (b"\x80\x06.", "protocol 6"),
        (b"\x80\x04].]", "more behind its end"),
        (b"\x80\x04]].", "left over"),
        (b"\x80\x04.", "left over"),
        (b"\x80\x04e.", "no mark"),
        (b"\x80\x04(e.", "no list"),
        (b"\x80\x04K\x01K\x02a.", "no list"),
        (b"\x80\x04h\x05.", "memo 5 was never set"),
        (b"\x80\x04\x94.", "nothing on the stack"),
        (b"\x80\x04}(K\x01K\x02u.", "a key that is not text"),
        (b"\x80\x04}(\x8c\x01au.", "a key without a value"),
        (b"\x80\x04" + b"(" * 100 + b".", "nested deeper"),
    ],
)
def test_what_no_pickler_writes_is_refused(tmp_path, content, reason):
    with pytest.raises(InputError, match=reason):
        read_plain_pickle(written(tmp_path, content))


SHARED = [1, 2, 3]
LIMITED = [SHARED, SHARED, *([number] for number in range(9))]


@pytest.mark.parametrize(
    ("limit", "held"),
    [
        # One list and its three numbers twice, but counted once where it is said again; nine lists with one number.
        ("MOST_VALUES", 1 + 4 + 1 + 18),
        ("MOST_CONTAINERS", 1 + 1 + 9),
        ("MOST_BYTES", len(pickle.dumps(LIMITED))),
        ("MOST_OPEN", 2),
    ],
)
def test_limits_are_what_a_file_may_just_hold(tmp_path, monkeypatch, limit, held):
    path = written(tmp_path, pickle.dumps(LIMITED))
    monkeypatch.setattr(plain_pickle, limit, held)
    assert read_plain_pickle(path) == LIMITED
    monkeypatch.setattr(plain_pickle, limit, held - 1)
    with pytest.raises(InputError, match=r"more than|nested deeper"):
        read_plain_pickle(path)


BOMBS = {
    "lists": lambda: b"\x80\x04(" + b"]" * 50_000_000,
    "numbers": lambda: b"\x80\x04](" + b"M\xff\xff" * 40_000_000,
    "texts": lambda: b"\x80\x04](" + b"\x8c\x00" * 60_000_000,
    # One list of a thousand items in a hundred thousand places.
    "one list everywhere": lambda: b"\x80\x04}(\x8c\x05train](](" + b"K\x01" * 1000 + b"e\x94" + b"h\x00" * 100_000
    + b"e\x8c\x03val]\x8c\x04test]u.",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_ends_within_a_gigabyte(tmp_path, bomb):
    path = written(tmp_path, bomb())
    code = (
        "import sys; from pathlib import Path; from adrec_cli.data.reading.pickled_cuts import write_cut_as_parquet\n"
        "from adrec_cli.errors import InputError\n"
        "try: write_cut_as_parquet(Path(sys.argv[1]), Path(sys.argv[1] + '.parquet'))\n"
        "except InputError as error: print(error.message)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300)
    assert "more than" in ended.stdout, ended.stderr
    assert max(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, before) < 2**20


@pytest.mark.parametrize(
    ("cut", "reason"),
    [
        ([1, 2], "expected a dict of train, val, test, got list"),
        ({"train": [[1]]}, "got keys train"),
        ({**CUT, "more": 1}, "got keys train"),
        ({**CUT, "val": [[3]]}, "2 of train, 1 of val, 2 of test"),
        ({"train": [], "val": [], "test": []}, "0 of train"),
        ({**CUT, "train": 5}, "train is not a list"),
        ({**CUT, "train": [[1], 7]}, "train, user 2: expected a list of items, got '7'"),
        ({**CUT, "test": [[4], [0]]}, "test, user 2: expected item numbers from 1, got '0'"),
        ({**CUT, "test": [[4], ["x"]]}, "test, user 2"),
        ({**CUT, "test": [[4], [-3]]}, "test, user 2"),
    ],
)
def test_what_is_no_cut_is_told_apart(tmp_path, cut, reason):
    with pytest.raises(InputError, match=reason):
        write_cut_as_parquet(written(tmp_path, pickle.dumps(cut)), tmp_path / "cut.parquet")
    assert not (tmp_path / "cut.parquet").exists()


def test_a_cut_becomes_a_table(tmp_path):
    write_cut_as_parquet(written(tmp_path, pickle.dumps(CUT)), tmp_path / "cut.parquet")
    table = pl.read_parquet(tmp_path / "cut.parquet")
    assert table.rows() == [(1, [5, 300, 1], [3], [4]), (2, [2, 70_000], [1], [300])]


@pytest.mark.parametrize("name", ["baby", "beauty"])
def test_the_authors_files_equal_their_stored_copies(shared_data, tmp_path, name):
    source, copy = shared_data / f"raw/adrec-official/{name}/dataset.pkl", shared_data / f"adrec-official/{name}"
    write_cut_as_parquet(source, tmp_path / "cut.parquet")
    found, expected = pl.read_parquet(tmp_path / "cut.parquet"), pl.read_parquet(copy / "sequences.parquet")
    singles = found.with_columns(pl.col("val", "test").list.first())
    assert found["val"].list.len().unique().to_list() == [1]
    assert singles.equals(expected)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.pkl"):
        read_plain_pickle(tmp_path / "none.pkl")
