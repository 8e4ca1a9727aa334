"""A batch of recommendations in chunks of users, and which file each chunk belongs to."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from adrec_cli.loading.recommender import MODEL, POPULAR, Recommender
from adrec_cli.recommending.audience import Audience
from adrec_cli.recommending.destination import Destination
from adrec_cli.recommending.diversity import diverse_lists
from adrec_cli.recommending.options import RecommendOptions
from adrec_cli.schema import ITEM_ID, TITLE, USER_ID

SHORT_HASH = 16
"""Characters of the model's hash in each row; the name of its file in `promoted/` has as many."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch whose files are read; worked through in chunks of users.

    Attributes:
        recommender, options: as `Recommender.rank` takes them.
        audience: the users to recommend to.
        destination: where to.
        candidates: items that may come back; None for all.
        chunk: users at most that are ranked at once.
        titled: the rows have titles, too.
    """

    recommender: Recommender
    audience: Audience
    options: RecommendOptions
    destination: Destination
    candidates: np.ndarray[tuple[int], np.dtype[np.int64]] | None
    chunk: int
    titled: bool = False

    @property
    def users(self) -> int:
        return len(self.audience.user_ids)

    @property
    def chunks(self) -> int:
        return len(self.firsts)

    @functools.cached_property
    def files(self) -> dict[Path, list[int]]:
        """The chunks of each file."""
        behind = np.searchsorted(self.firsts, np.cumsum(self.stretches)).tolist()
        numbers = self.destination.shard.of(len(behind) * self.destination.shard.count)
        chunks = [list(range(first, last)) for first, last in zip([0, *behind], behind, strict=False)]
        return {self.destination.file(number): own for number, own in zip(numbers, chunks, strict=True)}

    @functools.cached_property
    def firsts(self) -> list[int]:
        """The first user of each chunk; no chunk is of two files."""
        ends = np.cumsum(self.stretches).tolist()
        return [first for begin, end in zip([0, *ends], ends, strict=False) for first in range(begin, end, self.chunk)]

    @property
    def stretches(self) -> tuple[int, ...]:
        return self.audience.stretches if self.destination.is_folder else (self.users,)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first user of a chunk and the one behind its last."""
        last = self.firsts[number + 1] if number + 1 < self.chunks else self.users
        return self.firsts[number], last

    def count(self, numbers: Iterable[int]) -> int:
        """Return how many users are in some chunks."""
        return sum(last - first for first, last in map(self.bounds, numbers))

    def find_left_out(self, number: int, served: pl.Series) -> list[str]:
        """Return the users of a chunk who are not among those that got a list."""
        first, last = self.bounds(number)
        asked = self.audience.user_ids[first:last]
        return asked.filter(~asked.is_in(served.implode())).to_list()

    def rank(self, number: int) -> pl.DataFrame:
        """Return the rows of a chunk, as they are written."""
        first, last = self.bounds(number)
        some = self.audience.histories.some(first, last)
        ranked, sources = diverse_lists(self.recommender, some, self.options.restrict_to(self.candidates))
        lengths = np.array([len(best.items) for best in ranked])
        user = pl.Series(np.repeat(np.arange(first, last), lengths))
        rank = np.arange(1, lengths.sum() + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        source = pl.Series(sources, dtype=pl.Enum([MODEL, POPULAR])).gather(pl.Series(user - first))
        items = np.concatenate([best.items for best in ranked]) - 1
        table = pl.DataFrame(
            {
                USER_ID: self.audience.user_ids.gather(user),
                "rank": rank.astype(np.int32),
                ITEM_ID: self.recommender.items[ITEM_ID].gather(items),
                "score": np.concatenate([best.scores for best in ranked]),
                "source": source.cast(pl.String),
                "model": pl.Series([self.recommender.checkpoint.sha256[:SHORT_HASH]]).new_from_index(0, len(user)),
            }
        )
        if not self.titled:
            return table
        known = self.recommender.items
        nothing = pl.repeat(None, known.height, dtype=pl.String, eager=True)
        titles = known.get_column(TITLE, default=nothing).alias(TITLE)
        return table.insert_column(table.columns.index(ITEM_ID) + 1, titles.gather(items))
