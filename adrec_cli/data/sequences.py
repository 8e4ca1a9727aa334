"""Reads `sequences.parquet` and `items.parquet` of a dataset into arrays for training and ranking."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.data.event_columns import read_lists
from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import ArtifactError, InputError
from adrec_cli.schema import (
    ITEM_ID,
    ITEM_INDEX,
    ITEMS,
    SEQUENCES_FILE,
    TIMESTAMPS,
    TRAIN_END,
    USER_ID,
    VALID_END,
)
from adrec_cli.wording import option, say_count

Number = TypeVar("Number", np.int32, np.int64)


class Events(Protocol):
    """Items of several people, one after the other, and when they were."""

    @property
    def items(self) -> npt.NDArray[np.int32]:
        """Item indices, oldest first."""

    @property
    def seconds(self) -> npt.NDArray[np.int64] | None:
        """When each of them was, in whole seconds since the epoch; None where nobody says."""


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """The events of all users, one after the other.

    Attributes:
        user_ids: raw ids, one per user.
        items: item indices 1..V of all events; user u's are items[offsets[u]:offsets[u + 1]], oldest first.
        offsets: int64, one more than users.
        train_end, valid_end: int64 a user, relative to the user's first event.
        item_count: V.
        row_groups: users in each row group of the file that was read.
        read_seconds: returns when each event was, as `seconds`; None where nothing says so.
    """

    user_ids: pl.Series
    items: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    train_end: npt.NDArray[np.int64]
    valid_end: npt.NDArray[np.int64]
    item_count: int
    row_groups: tuple[int, ...] = ()
    read_seconds: Callable[[], npt.NDArray[np.int64]] | None = None

    @functools.cached_property
    def seconds(self) -> npt.NDArray[np.int64]:
        """When each of the items was, in whole seconds since the epoch; read when first asked for.

        Raises:
            InputError: the data have no times.
            ArtifactError: the file has changed since, or is damaged.
        """
        if self.read_seconds is None:
            raise InputError(
                "these data do not say when events were, which model.times 'gaps' needs: their order alone is known",
                hint=f"leave it out: {option('set', 'model.times=none')}",
            )
        return self.read_seconds()

    @property
    def users(self) -> int:
        """How many users there are."""
        return len(self.train_end)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events of each user."""
        return np.diff(self.offsets)

    def history(self, user: int) -> npt.NDArray[np.int32]:
        """Return all items of a user, oldest first."""
        return self.of(user, self.items)

    def of(self, user: int, values: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return what of values, one for each event, belongs to a user."""
        return values[self.offsets[user] : self.offsets[user + 1]]

    def find(self, user_id: str) -> int:
        """Return the row of a raw user id.

        Raises:
            InputError: nobody has it.
        """
        (row,) = self._users.rows([user_id])
        if row is None:
            raise InputError(
                f"unknown user {user_id!r}: not among the {say_count(self.users, 'user')} of this dataset",
                hint=f"for an unknown user give the items: {option('history', 'id,id,...')}",
            )
        return row

    @functools.cached_property
    def _users(self) -> IdIndex:
        return IdIndex(self.user_ids)


def load_sequences(path: Path, item_count: int, shard: Shard = WHOLE, *, timed: bool = False) -> Sequences:
    """Read the sequences of a dataset and check that they are what the format promises.

    Args:
        path: of a file whose SHA-256 is known to be right.
        item_count: V, of the same dataset's items.
        shard: the users that are read.
        timed: its timestamps are times, not mere positions.

    Raises:
        ArtifactError: missing, damaged or not of this format.
    """
    with _reading(path, [USER_ID, ITEMS, TRAIN_END, VALID_END]) as file:
        groups = shard.of(file.num_row_groups)
        table = pl.from_arrow(file.read_row_groups(list(groups), columns=[USER_ID, TRAIN_END, VALID_END]))
        lengths, items = read_lists(file, ITEMS, groups, np.int32, beside=path.parent)
        row_groups = tuple(file.metadata.row_group(number).num_rows for number in groups)
    # What batches were read into is kept for the next one, which does not come.
    pa.default_memory_pool().release_unused()
    assert isinstance(table, pl.DataFrame)
    if any(column.null_count() for column in table):
        raise _damage_error(path, "it has missing values")
    sequences = Sequences(
        user_ids=table[USER_ID],
        items=items,
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        train_end=table[TRAIN_END].to_numpy().astype(np.int64),
        valid_end=table[VALID_END].to_numpy().astype(np.int64),
        item_count=item_count,
        row_groups=row_groups,
        read_seconds=functools.partial(_read_seconds, path, shard, items) if timed else None,
    )
    ends_in_order = (
        (sequences.train_end >= 0) & (sequences.train_end <= sequences.valid_end) & (sequences.valid_end <= lengths)
    )
    if not ends_in_order.all():
        raise _damage_error(path, "split positions lie outside the sequences")
    if len(items) and not (items.min() >= 1 and items.max() <= item_count):
        raise _damage_error(path, f"item indices lie outside 1..{item_count}")
    return sequences


def _read_seconds(path: Path, shard: Shard, items: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Read when each event was; they must be the same events as before.

    Raises:
        ArtifactError: they are not, or the file is damaged.
    """
    try:
        return _read_seconds_of(path, shard, items)
    except ArtifactError:
        if path.is_file():
            raise
    # A writer has moved it to its place, or put another one there.
    try:
        return _read_seconds_of(path.with_name(SEQUENCES_FILE), shard, items)
    except ArtifactError as error:
        raise _change_error(path) from error


def _read_seconds_of(path: Path, shard: Shard, items: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    with _reading(path, [ITEMS, TIMESTAMPS]) as file:
        groups = shard.of(file.num_row_groups)
        _, again = read_lists(file, ITEMS, groups, np.int32, beside=path.parent)
        _, microseconds = read_lists(file, TIMESTAMPS, groups, np.int64, beside=path.parent)
    if not np.array_equal(again, items) or len(microseconds) != len(items):
        raise _change_error(path)
    return np.floor_divide(microseconds, 1_000_000, out=microseconds)


def _change_error(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} has changed since it was opened", hint="run the same command again")


def load_items(path: Path) -> pl.DataFrame:
    """Read `items.parquet`, one row per item in the order of its index; its SHA-256 is known to be right.

    Raises:
        ArtifactError: missing, damaged or not of this format.
    """
    _require(path)
    try:
        items = pl.read_parquet(literal(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damage_error(path, str(error).splitlines()[0]) from error
    if ITEM_INDEX not in items.columns or ITEM_ID not in items.columns:
        raise _damage_error(path, f"columns {ITEM_INDEX} and {ITEM_ID} are expected, found {', '.join(items.columns)}")
    if not (items[ITEM_INDEX].to_numpy() == np.arange(1, items.height + 1)).all():
        raise _damage_error(path, f"{ITEM_INDEX} is not 1..{items.height}")
    return items


def item_indices(items: IdIndex, item_ids: Sequence[str]) -> list[int | None]:
    """Return the index of each raw item id, None where the id is unknown in any form.

    Args:
        items: of the ids of all items, in the order of their indices.
        item_ids: to look for.
    """
    return [None if row is None else row + 1 for row in items.rows(item_ids)]


@contextlib.contextmanager
def _reading(path: Path, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Yield the open file; it stays the same one whoever replaces it meanwhile.

    Raises:
        ArtifactError: missing, without one of the columns, or, while open, damaged.
    """
    _require(path)
    try:
        with pq.ParquetFile(path) as file:
            if missing := [column for column in columns if column not in file.schema_arrow.names]:
                raise _damage_error(path, f"column {missing[0]} is missing")
            yield file
    except (pa.ArrowException, OSError) as error:
        # Where a writer has moved it meanwhile, whoever opens the dataset opens it again.
        raise _damage_error(path, str(error).splitlines()[0]) from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist", hint=advise_repair(path.parent))


def _damage_error(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(f"{path} is damaged: {reason}", hint=advise_repair(path.parent))
