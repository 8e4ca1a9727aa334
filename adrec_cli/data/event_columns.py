"""Reads a column of lists of `sequences.parquet` into one array: the values of all users, one after the other.

Batch by batch, so that nothing is held twice; an array too large to be kept in memory lies in a file without a name,
of which the system holds what is in use.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Number = TypeVar("Number", np.int32, np.int64)

LARGE_BYTES: Final = 2**28
"""Of an array, from which on it lies in a file: 67 million items."""
_ROWS_AT_ONCE: Final = 2**16
_ARROW_TYPES: Final = {np.dtype(np.int32): pa.int32(), np.dtype(np.int64): pa.int64()}


def read_lists(
    file: pq.ParquetFile, column: str, groups: Sequence[int], dtype: type[Number], *, beside: Path
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Number]]:
    """Return how long each list is, and the values of all lists; times as microseconds.

    Args:
        file: open.
        column: of lists of whole numbers or times.
        groups: the row groups that are read.
        dtype: of the values.
        beside: folder for an array that is too large; where nothing can be written there, it is kept in memory.

    Raises:
        pa.ArrowException: no such lists, values out of range, a list or a value that is missing, or damage.
        OSError: the file cannot be read.
    """
    lengths: list[npt.NDArray[np.int64]] = []
    parts = _read_parts(file, column, groups, dtype, lengths)
    most = _most_values(file, column, groups)
    if most * np.dtype(dtype).itemsize >= LARGE_BYTES:
        values = _gather_on_disk(parts, dtype, beside)
        # From the beginning, whatever has been read of it.
        if values is None:
            lengths.clear()
            parts = _read_parts(file, column, groups, dtype, lengths)
            values = _gather(parts, most, dtype)
    else:
        values = _gather(parts, most, dtype)
    return np.concatenate([np.zeros(0, dtype=np.int64), *lengths]), values


def _read_parts(
    file: pq.ParquetFile, column: str, groups: Sequence[int], dtype: type[Number], lengths: list[npt.NDArray[np.int64]]
) -> Iterator[npt.NDArray[Number]]:
    """Yield the values batch by batch, and add the lengths of their lists."""
    if not groups:
        return
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=list(groups), columns=[column]):
        lists = batch.column(0)
        if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
            raise pa.ArrowInvalid(f"{column} is not a column of lists")
        values = lists.flatten()
        if lists.null_count or values.null_count:
            raise pa.ArrowInvalid("it has missing values")
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64())
        # By DLPack, as `to_numpy` of Arrow imports pandas wherever that is installed.
        lengths.append(np.from_dlpack(lists.value_lengths()).astype(np.int64))
        yield np.from_dlpack(values.cast(_ARROW_TYPES[np.dtype(dtype)])).astype(dtype, copy=False)


def _most_values(file: pq.ParquetFile, column: str, groups: Sequence[int]) -> int:
    """Return how many values there are at most: an empty list counts for one."""
    found = 0
    for group in map(file.metadata.row_group, groups):
        chunks = map(group.column, range(group.num_columns))
        found += sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.split(".", 1)[0] == column)
    return found


def _gather(parts: Iterator[npt.NDArray[Number]], most: int, dtype: type[Number]) -> npt.NDArray[Number]:
    values, filled = np.empty(most, dtype=dtype), 0
    for part in parts:
        values[filled : filled + len(part)] = part
        filled += len(part)
    return values[:filled]


def _gather_on_disk(
    parts: Iterator[npt.NDArray[Number]], dtype: type[Number], folder: Path
) -> npt.NDArray[Number] | None:
    """Return the values as a private map of a file that is gone when nobody uses it; None where there is no room."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return _map(file, sum(_append(file, part) for part in parts), dtype)
    except OSError:
        return None


def _append(file: IO[bytes], part: npt.NDArray[Number]) -> int:
    # Not written through the map: where the disk is full, that ends the process.
    file.write(part.data)
    return len(part)


def _map(file: IO[bytes], count: int, dtype: type[Number]) -> npt.NDArray[Number]:
    file.flush()
    # A private map, since arrays that cannot be written are not for tensors.
    return np.memmap(file, dtype=dtype, mode="c", shape=(count,)) if count else np.zeros(0, dtype=dtype)
