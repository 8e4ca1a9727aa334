"""`pending.parquet`: the interactions that filters hold back and that later nights may still bring in.

A log that comes in nights gives the data set that the whole log gives at once. What each rule needs for that:

- Bad rows and `min_rating` judge an interaction by itself: what they leave out is gone, and nothing is kept of it.
- `duplicates = drop` keeps the first of equal interactions, and what is kept comes before what is added: the others
  are gone. `keep` leaves out nothing.
- The k-core counts. An interaction that does not count today may count with tomorrow's, and its user and item count for
  others. All that the k-core leaves out waits. What `max_length` cuts off after it waits too: it still counts.
- `max_length` alone keeps a user's newest N. What is older than the oldest of them stays out whatever comes, late
  interactions too, and is gone. What happened at the same time as the oldest of them waits: among equal times the order
  may change (`ties = item`), and a late repeat must still find what it repeats.
- Ascending order of items (`ties = item`) is that of numbers while all ids are numbers. If the only ids that are none
  would go, one interaction with such an id waits, as a witness.
- The split keeps nothing: it is made again of what is kept.
- A source that is split already, and one without times, cannot be added to: nothing waits.

Equal times keep the order in which they came, across nights too. So a waiting interaction knows its position among all
of its user's, and goes back there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.dataset import next_file
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.data.coding import text_array, union_ids
from adrec_cli.data.interactions import Interactions
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import ITEM_ID, PENDING_FILE, POSITION, TIMESTAMP, USER_ID

PENDING_VERSION: Final = 1
ROW_GROUP: Final = 1 << 20
"""Interactions of a row group of `pending.parquet`."""
_VERSION_KEY: Final = b"adrec.pending_version"
_SCHEMA: Final = pa.schema(
    [
        (USER_ID, pa.dictionary(pa.int32(), pa.string())),
        (ITEM_ID, pa.dictionary(pa.int32(), pa.string())),
        (TIMESTAMP, pa.int64()),
        (POSITION, pa.int32()),
    ],
    metadata={_VERSION_KEY: str(PENDING_VERSION).encode()},
)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """Interactions that wait beside a data set.

    Attributes:
        interactions: sorted by user and time, without ids that do not occur.
        position: of each, counted from 0 among all of its user's, those of the data set and those that wait.
    """

    interactions: Interactions
    position: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.position)

    def count(self) -> tuple[int, int]:
        """Return how many interactions wait, and of how many users."""
        return len(self), len(self.interactions.user_ids)


def hold_back(full: Interactions, core: Interactions, newest: Interactions, *, counting: bool, ties: str) -> Pending:
    """Return what of the interactions has to wait.

    Args:
        full: sorted in time, without duplicates if these are dropped.
        core: what the k-core leaves of them; `full` itself where there is none.
        newest: what `max_length` leaves of `core`.
        counting: whether there is a k-core, for which everything still counts.
        ties: "source" or "item".
    """
    kept = _find_kept(full, core, newest)
    if counting:
        places = np.flatnonzero(~kept)
        numbers = places
    else:
        held = kept | _as_old_as_the_oldest(full, kept)
        if ties == "item":
            held |= _witness(full, held)
        places = np.flatnonzero(held & ~kept)
        numbers = (np.cumsum(held) - 1)[places]
        full_counts = np.bincount(full.user[held], minlength=len(full.user_ids))
    counts = full.user_counts() if counting else full_counts
    starts = np.cumsum(counts) - counts
    waiting = full.take(places)
    return Pending(interactions=waiting.compact(), position=(numbers - starts[waiting.user]).astype(np.int32))


def rejoin(kept: Interactions, pending: Pending) -> Interactions:
    """Return the interactions of a data set and those that wait, in the order they had together.

    Args:
        kept: of the data set, sorted within each user.
        pending: beside it.

    Raises:
        ValueError: they are not of one data set.
    """
    waiting = pending.interactions
    user_ids, kept_rank, waiting_rank = union_ids(kept.user_ids, waiting.user_ids)
    item_ids, kept_item, waiting_item = union_ids(kept.item_ids, waiting.item_ids)
    kept_user, waiting_user = kept_rank[kept.user], waiting_rank[waiting.user]
    counts = np.bincount(kept_user, minlength=len(user_ids)) + np.bincount(waiting_user, minlength=len(user_ids))
    starts = np.cumsum(counts) - counts
    if len(pending) and not ((pending.position >= 0) & (pending.position < counts[waiting_user])).all():
        raise ValueError("a position lies outside its user's interactions")
    places = starts[waiting_user] + pending.position
    free = np.ones(len(kept) + len(pending), dtype=np.bool_)
    free[places] = False
    if np.count_nonzero(free) != len(kept):
        raise ValueError("two interactions have one position")
    order = np.empty(len(free), dtype=np.int64)
    order[np.flatnonzero(free)] = np.argsort(kept_user, kind="stable")
    order[places] = len(kept) + np.arange(len(pending))
    return Interactions(
        user=np.concatenate([kept_user, waiting_user])[order],
        item=np.concatenate([kept_item[kept.item], waiting_item[waiting.item]])[order],
        time=np.concatenate([kept.time, waiting.time])[order],
        part=None,
        user_ids=user_ids,
        item_ids=item_ids,
    )


def write_pending(folder: Path, pending: Pending) -> str:
    """Write `pending.parquet` beside the one that is there, for `commit_dataset`, and return its SHA-256.

    Raises:
        StorageError: the file system refused.
    """
    with next_file(folder, PENDING_FILE) as path:
        write_pending_table(pending, path)
        return file_sha256(path)


def write_pending_table(pending: Pending, path: Path) -> None:
    """Write the content of `pending.parquet`."""
    with open_pending(path) as writer:
        writer.write_table(pending_table(pending), row_group_size=ROW_GROUP)


def open_pending(path: Path) -> pq.ParquetWriter:
    """Return what writes `pending.parquet`, in row groups of `ROW_GROUP`."""
    return pq.ParquetWriter(path, _SCHEMA, compression="zstd")


def pending_table(pending: Pending) -> pa.Table:
    """Return the rows of `pending.parquet`."""
    interactions = pending.interactions
    columns = [
        _dictionary(interactions.user, interactions.user_ids),
        _dictionary(interactions.item, interactions.item_ids),
        pa.array(interactions.time),
        pa.array(pending.position),
    ]
    return pa.table(columns, schema=_SCHEMA)


def read_pending(path: Path) -> Pending:
    """Read a file whose SHA-256 is known to be right.

    Raises:
        ArtifactError: it is not of this format.
    """
    again = advise_repair(path.parent)
    try:
        table = pq.read_table(path, read_dictionary=[USER_ID, ITEM_ID]).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(f"{path} is damaged: {str(error).splitlines()[0]}", hint=again) from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode(errors="replace")
    refuse_newer(path, version, newest=PENDING_VERSION)
    if version != str(PENDING_VERSION) or table.schema.names != _SCHEMA.names:
        raise ArtifactError(
            f"{path} has format version {version} and columns {', '.join(table.schema.names)}, "
            f"this adrec reads version {PENDING_VERSION}",
            hint=again,
        )
    user, user_ids = _codes(table[USER_ID])
    item, item_ids = _codes(table[ITEM_ID])
    interactions = Interactions(
        user=user,
        item=item,
        time=table[TIMESTAMP].to_numpy(),
        part=None,
        user_ids=user_ids,
        item_ids=item_ids,
    )
    return Pending(interactions=interactions, position=table[POSITION].to_numpy())


def _find_kept(full: Interactions, core: Interactions, newest: Interactions) -> npt.NDArray[np.bool_]:
    """Return which interactions are among the newest of the core."""
    core_counts = core.user_counts()
    kept: npt.NDArray[np.bool_] = (core_counts > 0)[full.user] & (core.item_counts() > 0)[full.item]
    if len(newest) < len(core):
        cut_off = core_counts - newest.user_counts()
        starts = np.cumsum(core_counts) - core_counts
        older = np.arange(len(core)) - starts[core.user] < cut_off[core.user]
        kept[np.flatnonzero(kept)[older]] = False
    return kept


def _as_old_as_the_oldest(full: Interactions, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which interactions happened when, or after, the oldest did that is kept of their user."""
    oldest = np.full(len(full.user_ids), np.iinfo(np.int64).max)
    np.minimum.at(oldest, full.user[kept], full.time[kept])
    newer: npt.NDArray[np.bool_] = full.time >= oldest[full.user]
    return newer


def _witness(full: Interactions, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return one interaction that shows that not all ids of items are numbers, if those that are held do not."""
    chosen = np.zeros(len(full), dtype=np.bool_)
    text = full.item_ids.cast(pl.Int128, strict=False).is_null().to_numpy()[full.item]
    if not text[held].any():
        chosen[np.flatnonzero(text)[:1]] = True
    return chosen


def _dictionary(codes: npt.NDArray[np.int32], ids: pl.Series) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), text_array(ids))


def _codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pl.Series]:
    """Return a column's ids in ascending order, and for each row the rank of its id."""
    array = column.unify_dictionaries().combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    distinct = pl.Series(array.dictionary.to_pylist(), dtype=pl.String)
    ids, ranks, _ = union_ids(distinct, distinct.clear())
    return ranks[array.indices.to_numpy()], ids
