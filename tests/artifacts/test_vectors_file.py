"""Vectors for other programs: every row with its id, whatever the form, however they come."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.vectors_file import VectorTable, find_vector_files, ids_file, write_vectors
from adrec_cli.errors import InputError, UsageError


def a_table(ids: list[list[str]], width: int) -> tuple[VectorTable, np.ndarray]:
    rows = sum(map(len, ids))
    vectors = np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32)
    ends = np.cumsum([len(some) for some in ids])
    chunks = [
        (pl.Series(some, dtype=pl.String), vectors[end - len(some) : end]) for some, end in zip(ids, ends, strict=True)
    ]
    return VectorTable(id_name="item_id", rows=rows, width=width, chunks=chunks, made_of={"model": "adrec"}), vectors


@given(st.lists(st.lists(st.text("ab,é\" '", min_size=1), max_size=3), min_size=1, max_size=4), st.integers(1, 5))
@settings(deadline=None)
@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_every_row_is_read_back_with_its_id(suffix: str, ids: list[list[str]], width: int) -> None:
    table, vectors = a_table(ids, width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"v{suffix}")
        write_vectors(path, table)
        assert sorted(find_vector_files(path)) == sorted(Path(folder).iterdir())
        if suffix == ".npy":
            found, names = np.load(path, allow_pickle=False), ids_file(path).read_text().split("\n")[:-1]
        else:
            read = pq.read_table(path)
            assert read.schema.metadata[b"adrec"] == b'{"model": "adrec"}'
            found = np.array(read["vector"].to_pylist(), dtype=np.float32).reshape(-1, width)
            names = read["item_id"].to_pylist()
    assert np.array_equal(found, vectors)
    assert found.dtype == np.float32
    assert names == [name for some in ids for name in some]


def test_an_id_of_two_lines_stands_in_parquet_alone(tmp_path: Path) -> None:
    table, _ = a_table([["a"], ["b\nc"]], 2)
    write_vectors(tmp_path / "v.parquet", table)
    with pytest.raises(InputError, match=r"id 'b\\nc' has a line break, which v\.ids\.txt cannot hold"):
        write_vectors(tmp_path / "v.npy", table)
    assert [path.name for path in tmp_path.iterdir()] == ["v.parquet"]
    with pytest.raises(UsageError, match="its name does not say how to write vectors"):
        find_vector_files(tmp_path / "v.csv")
