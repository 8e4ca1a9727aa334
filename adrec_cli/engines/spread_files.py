"""The files of a data set whose interactions lie in parts by user: written part by part, the bytes as ever."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.dataset import next_file
from adrec_cli.data.cuts import split_users
from adrec_cli.data.dataset_files import end_row_group, open_sequences, sequence_table
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.pending import ROW_GROUP, Pending, open_pending, pending_table
from adrec_cli.data.splits import Bounds, train_mask
from adrec_cli.engines.spread_cut import PartCut, SpreadCut, Waiting
from adrec_cli.schema import ITEMS, PENDING_FILE, SEQUENCES_FILE


@dataclass(frozen=True, kw_only=True)
class SpreadFiles:
    """What was written of a spread cut; all but the items, whose counts are known only now.

    Attributes:
        sequences_sha256, pending_sha256: checksums of the files; none of what waits where nothing does.
        item_counts: training events of each item that is kept, ascending by id.
    """

    sequences_sha256: str
    pending_sha256: str | None
    item_counts: NDArray[np.int64]


class _RowGroups:
    """Cuts rows that come in tables of any size into row groups that do not depend on it."""

    def __init__(self, writer: pq.ParquetWriter, end_first: Callable[[pa.Table], int]) -> None:
        self._writer = writer
        self._end_first = end_first
        self._rest: pa.Table | None = None

    def add(self, rows: pa.Table) -> None:
        """Write all row groups that are full; what is left waits for more rows."""
        rest = rows if self._rest is None else pa.concat_tables([self._rest, rows])
        while (after := self._end_first(rest)) < rest.num_rows:
            self._write(rest.slice(0, after))
            rest = rest.slice(after)
        self._rest = rest

    def finish(self) -> None:
        """Write what is left."""
        if self._rest is not None:
            self._write(self._rest)

    def _write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.combine_chunks(), row_group_size=max(1, rows.num_rows))


def write_spread_files(
    folder: Path, cut: SpreadCut, users: pl.Series, items: pl.Series, moments: dict[str, int]
) -> SpreadFiles:
    """Write `sequences.parquet`, and what waits, beside those that are there.

    Args:
        folder: of the data set.
        cut: what is kept and what waits, by rank.
        users, items: all ids as text, ascending; some may have no interaction left.
        moments: of a split in time.

    Raises:
        StorageError: the file system refused.
    """
    kept = cut.kept
    used = kept.counts.items > 0
    indices = np.cumsum(used, dtype=np.int32)
    trained = np.zeros(len(used), dtype=np.int64)
    with (
        next_file(folder, SEQUENCES_FILE) as sequences_path,
        contextlib.nullcontext() if not cut.holds_back else next_file(folder, PENDING_FILE) as pending_path,
    ):
        with _open(sequences_path, open_sequences, _end_sequences) as sequences, contextlib.ExitStack() as stack:
            pending = None
            if pending_path is not None:
                pending = stack.enter_context(_open(pending_path, open_pending, _end_pending))
                waits = _Waits(cut, users, items)
                pending.add(waits.table(None))
            for part in cut.parts:
                interactions, bounds = _split_part(part, cut, moments, users)
                trained += np.bincount(interactions.item[train_mask(interactions, bounds)], minlength=len(trained))
                sequences.add(sequence_table(interactions, bounds, indices))
                if pending is not None and part.waiting is not None:
                    pending.add(waits.table(part.waiting))
        return SpreadFiles(
            sequences_sha256=file_sha256(sequences_path),
            pending_sha256=None if pending_path is None else file_sha256(pending_path),
            item_counts=trained[used],
        )


@contextlib.contextmanager
def _open(
    path: Path, begin: Callable[[Path], pq.ParquetWriter], end_first: Callable[[pa.Table], int]
) -> Iterator[_RowGroups]:
    with begin(path) as writer:
        groups = _RowGroups(writer, end_first)
        yield groups
        groups.finish()


def _end_sequences(rows: pa.Table) -> int:
    """Return how many users the first row group has."""
    lists = rows[ITEMS]
    ends = np.cumsum(np.concatenate([np.diff(chunk.offsets.to_numpy()) for chunk in lists.chunks]), dtype=np.int64)
    return end_row_group(ends, 0) if len(ends) else 0


def _end_pending(rows: pa.Table) -> int:
    return min(int(rows.num_rows), ROW_GROUP)


def _split_part(
    part: PartCut, cut: SpreadCut, moments: dict[str, int], users: pl.Series
) -> tuple[Interactions, Bounds]:
    """Return what is kept of a part, its users by their ids, its items by rank among all; and the bounds."""
    kept = part.kept
    used = kept.user_counts() > 0
    ranks = np.cumsum(used, dtype=np.int32) - np.int32(1)
    interactions = Interactions(
        user=ranks[kept.user],
        item=kept.item,
        time=kept.time,
        part=kept.part,
        user_ids=users.gather(kept.user_ids.filter(pl.Series(used))),
        item_ids=kept.item_ids,
    )
    return interactions, split_users(interactions, cut.split, moments)


class _Waits:
    """What waits, by the ids of all that does."""

    def __init__(self, cut: SpreadCut, users: pl.Series, items: pl.Series) -> None:
        self._users = cut.kept.waiting_users
        waiting = cut.kept.waiting_items > 0
        self._item_ranks = np.cumsum(waiting, dtype=np.int32) - np.int32(1)
        self._user_ids = users.gather(self._users)
        self._item_ids = items.filter(pl.Series(waiting))

    def table(self, waiting: Waiting | None) -> pa.Table:
        """Return the rows of a part; none for None."""
        if waiting is None:
            none = np.zeros(0, dtype=np.int32)
            waiting = Waiting(user=none, item=none, time=np.zeros(0, dtype=np.int64), position=none)
        interactions = Interactions(
            user=np.searchsorted(self._users, waiting.user).astype(np.int32),
            item=self._item_ranks[waiting.item],
            time=waiting.time,
            part=None,
            user_ids=self._user_ids,
            item_ids=self._item_ids,
        )
        return pending_table(Pending(interactions=interactions, position=waiting.position))
