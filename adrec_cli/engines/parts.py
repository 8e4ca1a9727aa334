"""Interactions in parts by user, which lie wherever an engine has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes
from adrec_cli.data.interactions import Interactions, Log

MOST_EVENTS: Final = 4_000_000
"""Of a part, unless a single user has more: what a worker, and whoever writes, holds at once is some times as large."""


class Sum(Protocol):
    """What the parts have to say, which can be added up."""

    def __add__(self, other: Self) -> Self: ...


S = TypeVar("S", bound=Sum)


class SpreadLog(Log, Protocol):
    """Interactions that an engine has read, file by file, and has not brought here."""

    def gather(self) -> Interactions:
        """Return them, in the order of the files."""

    def spread(self) -> Parts:
        """Return them in parts by user, each of which holds `UserRows`."""


class Parts(Protocol):
    """The parts in ascending order of their users; each holds whatever the last step made of it."""

    def step(self, change: Callable[[Any], tuple[Any, S]]) -> S:
        """Change what every part holds, and return the sum of what this tells."""

    def __iter__(self) -> Iterator[Any]:
        """Yield what every part holds, one after the other."""


@dataclass(frozen=True, kw_only=True)
class UserRows:
    """The interactions of some users who follow one another, in the order of the source.

    Attributes:
        first, users: the rank of the first of them among all, and how many there are.
        items: how many items the whole log has.
        user: counted from `first`.
        item: rank among all items.
        time, split: as in `Interactions`, which calls this one its part.
    """

    first: int
    users: int
    items: int
    user: Codes
    item: Codes
    time: NDArray[np.int64]
    split: NDArray[np.int8] | None

    def as_interactions(self) -> Interactions:
        """Return the same with ranks among all in place of ids, which are not here."""
        return Interactions(
            user=self.user,
            item=self.item,
            time=self.time,
            part=self.split,
            user_ids=pl.int_range(self.first, self.first + self.users, dtype=pl.Int32, eager=True),
            item_ids=pl.int_range(0, self.items, dtype=pl.Int32, eager=True),
        )


def choose_edges(user_counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return where the users of each part begin, and where the last one ends.

    Args:
        user_counts: interactions of each user.
        most: that a part has, unless a user has more.
    """
    ends = np.cumsum(user_counts)
    if not len(ends):
        # One part that is empty says what an empty log says.
        return np.array([0, 0])
    edges = [0]
    while edges[-1] < len(ends):
        before = int(ends[edges[-1] - 1]) if edges[-1] else 0
        after = int(np.searchsorted(ends, before + most, side="right"))
        edges.append(max(after, edges[-1] + 1))
    return np.array(edges)
