"""Columns of lists as one array: the same as read at once, in memory and in a file, whatever the row groups are."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data import event_columns
from adrec_cli.data.event_columns import read_lists

LISTS = st.lists(st.lists(st.integers(1, 2**31 - 1), max_size=5), max_size=30)


def write(folder: Path, lists: list[Any], type_: pa.DataType, rows: int = 7) -> pq.ParquetFile:
    path = folder / "lists.parquet"
    pq.write_table(
        pa.table({"user": list(range(len(lists))), "items": pa.array(lists, type_)}), path, row_group_size=rows
    )
    return pq.ParquetFile(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@pytest.mark.parametrize("large", [0, 2**28], ids=["in a file", "in memory"])
@pytest.mark.parametrize("rows_at_once", [2, 2**16])
@given(lists=LISTS, rows=st.integers(1, 9), every=st.integers(1, 3), kind=st.sampled_from([pa.list_, pa.large_list]))
def test_values_are_those_of_all_lists(folder, large, rows_at_once, lists, rows, every, kind):
    with pytest.MonkeyPatch.context() as patched, write(folder, lists, kind(pa.int32()), rows) as file:
        patched.setattr(event_columns, "LARGE_BYTES", large)
        patched.setattr(event_columns, "_ROWS_AT_ONCE", rows_at_once)
        groups = range(0, file.num_row_groups, every)
        lengths, values = read_lists(file, "items", groups, np.int32, beside=folder)
    wanted = [one for number, one in enumerate(lists) if number // rows % every == 0]
    assert lengths.tolist() == [len(one) for one in wanted]
    assert values.tolist() == [value for one in wanted for value in one]
    assert (lengths.dtype, values.dtype) == (np.int64, np.int32)
    values[:1] = 5  # Tensors are made of it, which want to be writable; the file stays as it is.
    assert [path.name for path in folder.iterdir()] == ["lists.parquet"]


def test_times_are_microseconds(tmp_path: Path) -> None:
    moments = [[datetime(2020, 1, 1, 0, 0, 1, 500_000)], [datetime(1969, 12, 31, 23, 59, 59)]]
    with write(tmp_path, moments, pa.list_(pa.timestamp("ms"))) as file:
        _, values = read_lists(file, "items", [0], np.int64, beside=tmp_path)
    assert values.tolist() == [1_577_836_801_500_000, -1_000_000]


def test_where_nothing_can_be_written_an_array_stays_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [[number, number + 1] for number in range(1, 40)]
    monkeypatch.setattr(event_columns, "LARGE_BYTES", 0)
    monkeypatch.setattr(event_columns, "_ROWS_AT_ONCE", 3)
    kept = tempfile.TemporaryFile

    class Full:
        """A file that takes ten items."""

        def __init__(self, dir: Path) -> None:
            self.file, self.room = kept(dir=dir), 40

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, part: memoryview) -> None:
            self.room -= part.nbytes
            if self.room < 0:
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with write(tmp_path, lists, pa.list_(pa.int32())) as file:
        lengths, values = read_lists(file, "items", range(file.num_row_groups), np.int32, beside=tmp_path)
    assert lengths.tolist() == [2] * len(lists)
    assert values.tolist() == [value for one in lists for value in one]
    assert not isinstance(values, np.memmap)


@pytest.mark.parametrize(
    ("lists", "kind", "said"),
    [
        ([[1], None], pa.list_(pa.int32()), "missing values"),
        ([[1, None]], pa.list_(pa.int32()), "missing values"),
        ([[2**31]], pa.list_(pa.int64()), "not in range"),
        ([[1.5]], pa.list_(pa.float64()), "truncated"),
        ([1, 2], pa.int32(), "not a column of lists"),
    ],
)
def test_what_is_no_list_of_items_is_refused(tmp_path, lists, kind, said):
    with write(tmp_path, lists, kind) as file, pytest.raises(pa.ArrowException, match=said):
        read_lists(file, "items", [0], np.int32, beside=tmp_path)
