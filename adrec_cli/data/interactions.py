"""Interactions as coded arrays: what every filter, split and file of preprocessing works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes


class Log(Protocol):
    """Interactions that were read, here or wherever an engine has them.

    Attributes:
        user_ids, item_ids: distinct ids as text, ascending; some may have no interaction left.
    """

    @property
    def user_ids(self) -> pl.Series: ...

    @property
    def item_ids(self) -> pl.Series: ...

    def __len__(self) -> int: ...

    def user_counts(self) -> NDArray[np.int64]:
        """Return the number of interactions of each user."""

    def leave_out_files(self, gone: Sequence[bool], rows: Sequence[int]) -> Self:
        """Return the same without the interactions of some files.

        Args:
            gone: which of the files.
            rows: how many interactions each of them has.
        """

    def leave_out_users(self, gone: NDArray[np.bool_]) -> Self:
        """Return the same without the interactions of some users, and without ids that have none left."""


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """Coded interactions, one an entry, in the order of the source until they are sorted.

    Attributes:
        user, item: ranks into `user_ids` and `item_ids`.
        time: microseconds since the epoch, or positions.
        part: 0 train, 1 valid, 2 test where the source is split already, else None.
        user_ids, item_ids: distinct ids as text, ascending; some may have no interaction left.
    """

    user: Codes
    item: Codes
    time: NDArray[np.int64]
    part: NDArray[np.int8] | None
    user_ids: pl.Series
    item_ids: pl.Series

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.integer]) -> Interactions:
        """Return the interactions that a mask selects or that indices name; the ids stay."""
        part = None if self.part is None else self.part[chosen]
        return replace(self, user=self.user[chosen], item=self.item[chosen], time=self.time[chosen], part=part)

    def leave_out_files(self, gone: Sequence[bool], rows: Sequence[int]) -> Interactions:
        """Return the same without the interactions of some files; `rows` is the number of each."""
        return self.take(~np.repeat(gone, rows)) if any(gone) else self

    def leave_out_users(self, gone: NDArray[np.bool_]) -> Interactions:
        """Return the same without the interactions of some users, and without ids that have none left."""
        return self.take(~gone[self.user]).compact()

    def drop_parts(self) -> Interactions:
        """Return the same interactions as if their source were not split."""
        return replace(self, part=None)

    def user_counts(self) -> NDArray[np.int64]:
        """Return the number of interactions of each user, not to be written to."""
        return self._user_counts

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of interactions of each item, not to be written to."""
        return self._item_counts

    @cached_property
    def _user_counts(self) -> NDArray[np.int64]:
        return _count(self.user, len(self.user_ids))

    @cached_property
    def _item_counts(self) -> NDArray[np.int64]:
        return _count(self.item, len(self.item_ids))

    def compact(self) -> Interactions:
        """Return the same interactions without the ids that have none."""
        user, user_ids = _compact(self.user, self.user_ids, self.user_counts() > 0)
        item, item_ids = _compact(self.item, self.item_ids, self.item_counts() > 0)
        return replace(self, user=user, item=item, user_ids=user_ids, item_ids=item_ids)


def _count(codes: Codes, ids: int) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bincount(codes, minlength=ids)
    counts.flags.writeable = False
    return counts


def _compact(codes: Codes, ids: pl.Series, used: NDArray[np.bool_]) -> tuple[Codes, pl.Series]:
    if used.all():
        return codes, ids
    ranks = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return ranks[codes], ids.filter(pl.Series(used))
