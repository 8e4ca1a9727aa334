"""The files of a data set without some of its users; everything else keeps its number, order and split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.dataset import next_file, next_path
from adrec_cli.artifacts.generations import link_or_copy
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.dataset_files import SEQUENCES_SCHEMA, count_statistics, write_items
from adrec_cli.data.forgotten import mask_forgotten
from adrec_cli.data.pending import Pending, read_pending, write_pending
from adrec_cli.errors import InputError
from adrec_cli.schema import COUNT, ITEMS, ITEMS_FILE, PENDING_FILE, SEQUENCES_FILE, TIMESTAMPS, TRAIN_END, USER_ID


def holds_users(files: Mapping[str, Path], users: Set[str]) -> tuple[int, int]:
    """Return how many events of some users a data set holds, and how many of theirs wait beside it.

    Args:
        files: of the data set, or of a former generation, by their names; checked, as `verify_files`.
        users: raw ids.
    """
    lengths = pl.col(ITEMS).list.len().sum()
    kept = pl.scan_parquet(literal(files[SEQUENCES_FILE])).filter(pl.col(USER_ID).is_in(list(users))).select(lengths)
    waiting = 0
    if PENDING_FILE in files:
        pending = read_pending(files[PENDING_FILE])
        waiting = int(_theirs(pending, users).sum())
    return int(kept.collect().item() or 0), waiting


def find_forgotten(files: Mapping[str, Path], forgotten: dict[str, Any]) -> set[str]:
    """Return the raw ids of users that a data set holds, or that wait beside it, although they were forgotten.

    Args:
        files: as `holds_users`.
        forgotten: of the newest manifest.
    """
    if not forgotten:
        return set()
    held = [pl.read_parquet(literal(files[SEQUENCES_FILE]), columns=[USER_ID])[USER_ID]]
    if PENDING_FILE in files:
        held.append(read_pending(files[PENDING_FILE]).interactions.user_ids.cast(pl.String))
    return {user for ids in held for user in ids.filter(pl.Series(mask_forgotten(ids, forgotten)))}


def write_without(files: Mapping[str, Path], manifest: Manifest, users: Set[str], into: Path) -> Manifest:
    """Write the files of a data set without some users at `next_path` of a folder, and return their manifest.

    Args:
        files: as `holds_users`.
        manifest: of the data set, or of the former generation.
        users: raw ids; not all that it holds.
        into: the same folder or another one.

    Raises:
        InputError: nobody would be left.
        StorageError: the file system refused.
    """
    items = pl.read_parquet(literal(files[ITEMS_FILE]))
    with next_file(into, SEQUENCES_FILE) as path:
        counted = _copy_sequences(files[SEQUENCES_FILE], path, users, items.height)
        if not counted.users:
            folder = files[SEQUENCES_FILE].parent
            raise InputError(
                f"{folder} would hold nobody any longer", hint=f"remove the data set instead: rm -r {folder}"
            )
        sequences_sha256 = file_sha256(path)
    items = items.with_columns((pl.col(COUNT) - pl.Series(counted.removed[1:])).alias(COUNT))
    with next_file(into, ITEMS_FILE) as path:
        write_items(items, path)
        items_sha256 = file_sha256(path)
    pending_sha256 = manifest.pending_sha256
    if PENDING_FILE in files:
        pending = read_pending(files[PENDING_FILE])
        theirs = _theirs(pending, users)
        if theirs.any():
            stay = Pending(
                interactions=pending.interactions.take(~theirs).compact(), position=pending.position[~theirs]
            )
            pending_sha256 = write_pending(into, stay)
        else:
            link_or_copy(files[PENDING_FILE], next_path(into, PENDING_FILE))
    return dataclasses.replace(
        manifest,
        sequences_sha256=sequences_sha256,
        items_sha256=items_sha256,
        pending_sha256=pending_sha256,
        statistics=counted.statistics(items.height, timed=manifest.statistics.get("first_time") is not None),
    )


@dataclasses.dataclass
class _Counted:
    """What was copied: users, events, first and last time; and train events of each item, by index, that were not."""

    removed: npt.NDArray[np.int64]
    users: int = 0
    events: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, table: pa.Table) -> None:
        times = table[TIMESTAMPS].combine_chunks().flatten().to_numpy()
        self.users += table.num_rows
        self.events += len(times)
        if len(times):
            self.first = min(int(times.min()), self.first if self.first is not None else int(times.min()))
            self.last = max(int(times.max()), self.last if self.last is not None else int(times.max()))

    def leave_out(self, table: pa.Table) -> None:
        for items, train_end in zip(table[ITEMS].to_pylist(), table[TRAIN_END].to_pylist(), strict=True):
            np.add.at(self.removed, np.array(items[:train_end], dtype=np.int64), 1)

    def statistics(self, items: int, *, timed: bool) -> dict[str, Any]:
        times = (self.first, self.last) if timed else (None, None)
        return count_statistics(self.users, items, self.events, *times)


def _copy_sequences(source: Path, target: Path, users: Set[str], items: int) -> _Counted:
    counted = _Counted(removed=np.zeros(items + 1, dtype=np.int64))
    leaving = pa.array(sorted(users), type=pa.string())
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, SEQUENCES_SCHEMA, compression="zstd") as writer:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            leave = pc.is_in(table[USER_ID], value_set=leaving)
            counted.leave_out(table.filter(leave))
            stay = table.filter(pc.invert(leave))
            counted.add(stay)
            if stay.num_rows:
                writer.write_table(stay.cast(SEQUENCES_SCHEMA), row_group_size=stay.num_rows)
    return counted


def _theirs(pending: Pending, users: Set[str]) -> npt.NDArray[np.bool_]:
    """Return which waiting interactions are of some users."""
    chosen: npt.NDArray[np.bool_] = pending.interactions.user_ids.is_in(list(users)).to_numpy()
    return chosen[pending.interactions.user]
