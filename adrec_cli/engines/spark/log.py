"""A log that Spark has read: a file a partition, its rows on the workers' disks, its ids here."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.source_content import ReadFiles
from adrec_cli.engines.merging import join_interactions
from adrec_cli.engines.parts import MOST_EVENTS, UserRows, choose_edges
from adrec_cli.engines.spark.parts import SparkParts

if TYPE_CHECKING:
    from pyspark import RDD


@dataclass(frozen=True, kw_only=True)
class FileIds:
    """The users and items of one file.

    Attributes:
        user, item: the rank among all of each of the file's ids; -1 for who is left out.
        user_counts: interactions of each of its users.
    """

    user: Codes
    item: Codes
    user_counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SparkLog:
    """Interactions of files, each read on a worker.

    Attributes:
        read: `ReadFiles` of each file, a partition each.
        files: the ids of each; None for a file that is left out.
        user_ids, item_ids: distinct ids as text, ascending; some may have no interaction left.
        split: whether the files are those of a split.
    """

    read: RDD[Any]
    files: Sequence[FileIds | None]
    user_ids: pl.Series
    item_ids: pl.Series
    split: bool

    def __len__(self) -> int:
        return int(self.user_counts().sum())

    def user_counts(self) -> NDArray[np.int64]:
        """Return the number of interactions of each user."""
        counts = np.zeros(len(self.user_ids), dtype=np.int64)
        for file in filter(None, self.files):
            there = file.user >= 0
            counts[file.user[there]] += file.user_counts[there]
        return counts

    def leave_out_files(self, gone: Sequence[bool], rows: Sequence[int]) -> SparkLog:
        """Return the same without the interactions of some files."""
        return replace(self, files=[None if left else file for left, file in zip(gone, self.files, strict=True)])

    def leave_out_users(self, gone: NDArray[np.bool_]) -> SparkLog:
        """Return the same without the interactions of some users."""
        return replace(
            self,
            files=[
                file and replace(file, user=np.where(gone[file.user], np.int32(-1), file.user)) for file in self.files
            ],
        )

    def gather(self) -> Interactions:
        """Return the interactions of all files, in their order; before anything is left out."""
        return join_interactions([file.interactions for file in self.read.toLocalIterator(prefetchPartitions=True)])

    def spread(self) -> SparkParts:
        """Return the interactions in parts by user, those of a user in the order of the files."""
        edges = choose_edges(self.user_counts(), MOST_EVENTS)
        count = len(edges) - 1
        files = self.read.context.parallelize(list(enumerate(self.files)), len(self.files))
        pieces = self.read.zip(files).flatMap(functools.partial(_cut_up, edges)).partitionBy(count, int)
        gather = functools.partial(_put_together, edges, len(self.item_ids), self.split)
        return SparkParts(pieces.mapPartitionsWithIndex(gather))


Piece = tuple[int, tuple[Codes, Codes, NDArray[np.int64], NDArray[np.int8] | None]]
"""The number of a file, and its interactions with the users of one part: user and item by rank, time, split."""


def _cut_up(
    edges: NDArray[np.int64], file: tuple[ReadFiles[Interactions], tuple[int, FileIds | None]]
) -> Iterator[tuple[int, Piece]]:
    """Yield the pieces of a file with the number of the part each belongs to."""
    read, (number, ids) = file
    if ids is None:
        return
    interactions = read.interactions
    user, item = ids.user[interactions.user], ids.item[interactions.item]
    part = np.searchsorted(edges, user, side="right") - 1
    order = np.argsort(part, kind="stable")
    order = order[np.searchsorted(part[order], 0) :]
    numbers, begins = np.unique(part[order], return_index=True)
    ends = np.append(begins, len(order))[1:]
    for one, begin, end in zip(numbers.tolist(), begins, ends, strict=True):
        rows = order[begin:end]
        split = None if interactions.part is None else interactions.part[rows]
        yield one, (number, (user[rows], item[rows], interactions.time[rows], split))


def _put_together(
    edges: NDArray[np.int64], items: int, given: bool, number: int, pieces: Iterator[tuple[int, Piece]]
) -> Iterator[UserRows]:
    """Yield the interactions of a part, as its only element."""
    in_order = [piece for _, (_, piece) in sorted(pieces, key=lambda entry: entry[1][0])]
    first, after = int(edges[number]), int(edges[number + 1])
    user, item, time, split = ([piece[column] for piece in in_order] for column in range(4))
    nothing = np.zeros(0, dtype=np.int32)
    yield UserRows(
        first=first,
        users=after - first,
        items=items,
        user=np.concatenate([nothing, *user]) - np.int32(first),
        item=np.concatenate([nothing, *item]),
        time=np.concatenate([np.zeros(0, dtype=np.int64), *time]),
        split=np.concatenate([np.zeros(0, dtype=np.int8), *split]) if given else None,
    )
