"""`sequences.parquet` and `items.parquet`: built from coded interactions, byte for byte repeatable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adrec_cli.artifacts.atomic import file_sha256, replacing
from adrec_cli.artifacts.dataset import next_path
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.splits import Bounds, train_mask
from adrec_cli.schema import (
    COUNT,
    ITEM_ID,
    ITEM_INDEX,
    ITEMS,
    ITEMS_FILE,
    MAX_ROW_GROUP_USERS,
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
# A row group holds at most so many events, so that reading one never takes much memory.
_MAX_ROW_GROUP_EVENTS = 16_000_000


@dataclass(frozen=True, kw_only=True)
class WrittenFiles:
    """Checksums of the two files."""

    sequences_sha256: str
    items_sha256: str


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
    folder: Path, interactions: Interactions, bounds: Bounds, items: pl.DataFrame, indices: NDArray[np.int32]
) -> WrittenFiles:
    """Write both files beside those that are there; `commit_dataset` makes them the data set's.

    Args:
        folder: of the data set.
        interactions: sorted by user and time.
        bounds: of each user.
        items: the content of `items.parquet`.
        indices: the index (from 1) of each of `interactions.item_ids`.

    Raises:
        StorageError: the file system refused.
    """
    with (
        replacing(next_path(folder, SEQUENCES_FILE)) as sequences_path,
        replacing(next_path(folder, ITEMS_FILE)) as items_path,
    ):
        _write_sequences(sequences_path, interactions, bounds, indices)
        write_items(items, items_path)
        return WrittenFiles(sequences_sha256=file_sha256(sequences_path), items_sha256=file_sha256(items_path))


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
    table = items.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(_plain_strings(table), path, compression="zstd", row_group_size=MAX_ROW_GROUP_USERS)


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
    starts = ends - bounds.length
    users = len(interactions.user_ids)
    with pq.ParquetWriter(path, SEQUENCES_SCHEMA, compression="zstd") as writer:
        first = 0
        while first < users:
            most = int(np.searchsorted(ends, starts[first] + _MAX_ROW_GROUP_EVENTS, side="right"))
            after = min(users, first + MAX_ROW_GROUP_USERS, max(first + 1, most))
            events = slice(int(starts[first]), int(ends[after - 1]))
            offsets = pa.array(np.append(starts[first:after], ends[after - 1]) - starts[first], type=pa.int32())
            columns = [
                pa.array(interactions.user_ids[first:after].to_list(), type=pa.string()),
                pa.ListArray.from_arrays(offsets, pa.array(indices[interactions.item[events]])),
                pa.ListArray.from_arrays(offsets, pa.array(interactions.time[events])),
                pa.array(bounds.train_end[first:after]),
                pa.array(bounds.valid_end[first:after]),
            ]
            writer.write_table(pa.table(columns, schema=SEQUENCES_SCHEMA), row_group_size=MAX_ROW_GROUP_USERS)
            first = after


def _plain_strings(table: pa.Table) -> pa.Table:
    """Return the table with 32-bit string and list offsets, which every Parquet reader knows."""
    fields = [pa.field(field.name, _plain_type(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind
