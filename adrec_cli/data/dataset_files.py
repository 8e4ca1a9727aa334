"""`sequences.parquet` and `items.parquet`: built from coded interactions, byte for byte repeatable."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.dataset import next_file
from adrec_cli.data.coding import text_array
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.pending import Pending, write_pending_table
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.splits import Bounds, train_mask
from adrec_cli.schema import (
    COUNT,
    ITEM_ID,
    ITEM_INDEX,
    ITEMS,
    ITEMS_FILE,
    MAX_ROW_GROUP_USERS,
    PENDING_FILE,
    SEQUENCES_FILE,
    TIMESTAMPS,
    TRAIN_END,
    USER_ID,
    VALID_END,
)

SEQUENCES_SCHEMA = pa.schema(
    [
        (USER_ID, pa.string()),
        (ITEMS, pa.list_(pa.int32())),
        (TIMESTAMPS, pa.list_(pa.int64())),
        (TRAIN_END, pa.int32()),
        (VALID_END, pa.int32()),
    ]
)
SHOWN_USERS, SHOWN_EVENTS = 2, 8
"""What `show_sequences` shows."""
# Largest number of events of a row group, so that reading one never takes much memory.
_MAX_ROW_GROUP_EVENTS = 16_000_000


@dataclass(frozen=True, kw_only=True)
class WrittenFiles:
    """Checksums of the files; none of what waits where nothing does."""

    sequences_sha256: str
    items_sha256: str
    pending_sha256: str | None = None


def item_table(interactions: Interactions, bounds: Bounds, indices: NDArray[np.int32]) -> pl.DataFrame:
    """Return `item_index`, `item_id` and `count` (training events), ascending by index.

    Args:
        interactions: sorted in time.
        bounds: of each user.
        indices: the index of each of `interactions.item_ids`.
    """
    training = interactions.item[train_mask(interactions, bounds)]
    counts = np.bincount(training, minlength=len(interactions.item_ids)).astype(np.int64)
    frame = pl.DataFrame({ITEM_INDEX: indices, ITEM_ID: interactions.item_ids, COUNT: counts})
    return frame.sort(ITEM_INDEX)


def write_dataset_files(
    folder: Path,
    interactions: Interactions,
    bounds: Bounds,
    items: pl.DataFrame,
    indices: NDArray[np.int32],
    pending: Pending | None = None,
) -> WrittenFiles:
    """Write the files beside those that are there; `commit_dataset` makes them the data set's.

    Args:
        folder: of the data set.
        interactions: sorted by user and time.
        bounds: of each user.
        items: the content of `items.parquet`.
        indices: the index (from 1) of each of `interactions.item_ids`.
        pending: what waits, None if nothing does.

    Raises:
        StorageError: the file system refused.
    """
    with (
        next_file(folder, SEQUENCES_FILE) as sequences_path,
        next_file(folder, ITEMS_FILE) as items_path,
        contextlib.nullcontext() if pending is None else next_file(folder, PENDING_FILE) as pending_path,
        # Parquet is encoded without the interpreter's lock: the large file beside the two smaller ones.
        ThreadPoolExecutor(max_workers=1) as beside,
    ):
        sequences = beside.submit(_write_sequences, sequences_path, interactions, bounds, indices)
        write_items(items, items_path)
        if pending is not None and pending_path is not None:
            write_pending_table(pending, pending_path)
        sequences.result()
        return WrittenFiles(
            sequences_sha256=file_sha256(sequences_path),
            items_sha256=file_sha256(items_path),
            pending_sha256=None if pending_path is None else file_sha256(pending_path),
        )


def statistics(interactions: Interactions, *, timed: bool) -> dict[str, Any]:
    """Return the numbers the manifest keeps.

    Args:
        interactions: what was written.
        timed: whether their times are times, not positions.
    """
    users, items, events = len(interactions.user_ids), len(interactions.item_ids), len(interactions)
    first, last = (int(interactions.time.min()), int(interactions.time.max())) if timed else (None, None)
    return count_statistics(users, items, events, first, last)


def count_statistics(users: int, items: int, events: int, first: int | None, last: int | None) -> dict[str, Any]:
    """Return the numbers the manifest keeps of counts, and of the first and last time in microseconds, if known."""
    return {
        "users": users,
        "items": items,
        "interactions": events,
        "average_length": round(events / users, 4),
        "density": round(events / (users * items), 8),
        "first_time": None if first is None else moment_text(first),
        "last_time": None if last is None else moment_text(last),
    }


def write_items(items: pl.DataFrame, path: Path) -> None:
    """Write the content of `items.parquet`."""
    table = pa.table({column.name: _plain_column(column) for column in items.get_columns()})
    pq.write_table(table, path, compression="zstd", row_group_size=MAX_ROW_GROUP_USERS)


def show_sequences(interactions: Interactions, users: pl.Series, *, timed: bool) -> list[dict[str, Any]]:
    """Return the first events of two users, as they would be stored, for people.

    Args:
        interactions: sorted by user and time.
        users: ids; the first two of them that have interactions are shown.
        timed: whether their times are times, not positions.
    """
    ids = interactions.user_ids
    shown = []
    for row in ids.is_in(users.implode()).arg_true()[:SHOWN_USERS]:
        events = np.flatnonzero(interactions.user == row)
        first = events[:SHOWN_EVENTS]
        shown.append(
            {
                "user_id": ids[int(row)],
                "length": len(events),
                "items": interactions.item_ids.gather(interactions.item[first]).to_list(),
                "times": [moment_text(int(time)) for time in interactions.time[first]] if timed else [],
            }
        )
    return shown


def _write_sequences(path: Path, interactions: Interactions, bounds: Bounds, indices: NDArray[np.int32]) -> None:
    ends = np.cumsum(bounds.length, dtype=np.int64)
    with open_sequences(path) as writer:
        first = 0
        while first < len(ends):
            after = end_row_group(ends, first)
            writer.write_table(
                sequence_table(interactions, bounds, indices, slice(first, after)), row_group_size=MAX_ROW_GROUP_USERS
            )
            first = after


def open_sequences(path: Path) -> pq.ParquetWriter:
    """Return what writes `sequences.parquet`, a row group at a time."""
    return pq.ParquetWriter(path, SEQUENCES_SCHEMA, compression="zstd")


def end_row_group(ends: NDArray[np.int64], first: int) -> int:
    """Return where the row group ends that begins with user `first`: the first user behind it.

    Args:
        ends: where the events of each user end.
        first: a user.
    """
    begin = int(ends[first - 1]) if first else 0
    most = int(np.searchsorted(ends, begin + _MAX_ROW_GROUP_EVENTS, side="right"))
    return min(len(ends), first + MAX_ROW_GROUP_USERS, max(first + 1, most))


def sequence_table(
    interactions: Interactions, bounds: Bounds, indices: NDArray[np.int32], users: slice | None = None
) -> pa.Table:
    """Return the rows of `sequences.parquet` of some users.

    Args:
        interactions: sorted by user and time.
        bounds: of each user.
        indices: the index (from 1) of each of `interactions.item_ids`.
        users: which of them; None is all.
    """
    ends = np.cumsum(bounds.length, dtype=np.int64)
    some = slice(0, len(ends)) if users is None else users
    begin = int(ends[some.start - 1]) if some.start else 0
    offsets = np.append(0, ends[some] - begin)
    events = slice(begin, begin + int(offsets[-1]))
    lists = pa.array(offsets, type=pa.int32())
    columns = [
        text_array(interactions.user_ids[some]),
        pa.ListArray.from_arrays(lists, pa.array(indices[interactions.item[events]])),
        pa.ListArray.from_arrays(lists, pa.array(interactions.time[events])),
        pa.array(bounds.train_end[some]),
        pa.array(bounds.valid_end[some]),
    ]
    return pa.table(columns, schema=SEQUENCES_SCHEMA)


def _plain_column(column: pl.Series) -> pa.Array:
    """Return a column with 32-bit string and list offsets, which every Parquet reader knows."""
    if column.dtype == pl.String and not column.null_count():
        return text_array(column)
    array = column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    plain = _plain_type(array.type)
    return array if plain == array.type else array.cast(plain)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind
