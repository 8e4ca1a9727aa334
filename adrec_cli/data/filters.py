"""What leaves interactions out: duplicates, the k-core, the longest history; and their order in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.interactions import Interactions

Ties = Literal["source", "item"]
Duplicates = Literal["drop", "keep"]
DUPLICATES: Final[tuple[Duplicates, ...]] = ("drop", "keep")
TIES: Final[tuple[Ties, ...]] = ("source", "item")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FilterApplied:
    """What one filter left out.

    Attributes:
        name: of the filter, as the option is called.
        interactions, users, items: how many are gone.
        rounds: passes it took, for the k-core.
    """

    name: str
    interactions: int
    users: int = 0
    items: int = 0
    rounds: int = 1


def sort_in_time(interactions: Interactions, ties: Ties) -> Interactions:
    """Sort by user, then part if the source is split, then time; equal times as `ties` says.

    Args:
        interactions: in the order of the source.
        ties: "source" keeps the order of the source among equal times, "item" takes ascending item ids.
    """
    keys: list[NDArray[np.integer]] = [interactions.user]
    if interactions.part is not None:
        keys.append(interactions.part)
    keys.append(_whole_seconds(interactions.time))
    if ties == "item":
        keys.append(interactions.item)
    # One 64-bit key sorts several times faster than columns do.
    packed = _pack(keys)
    if packed is not None:
        keys = [packed]
        if np.all(packed[1:] >= packed[:-1]):
            return interactions
    frame = pl.DataFrame({f"k{position}": key for position, key in enumerate(keys)})
    order = frame.select(pl.arg_sort_by(frame.columns, maintain_order=True)).to_series().to_numpy()
    del frame, keys, packed
    return interactions.take(order)


def _pack(keys: list[NDArray[np.integer]]) -> NDArray[np.uint64] | None:
    """Return one key that sorts as several do, None where 64 bits do not hold them."""
    if not len(keys[0]):
        return None
    lows = [int(key.min()) for key in keys]
    widths = [(int(key.max()) - low).bit_length() for key, low in zip(keys, lows, strict=True)]
    if sum(widths) > 64:
        return None
    packed = np.zeros(len(keys[0]), dtype=np.uint64)
    for key, low, width in zip(keys, lows, widths, strict=True):
        packed <<= np.uint64(width)
        packed |= (key - key.dtype.type(low)).astype(np.uint64)
    return packed


def _whole_seconds(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times in seconds where all are whole seconds, which makes shorter keys."""
    second = 10**6
    whole = len(time) > 0 and all(
        not np.any(time[first : first + _CHUNK] % second) for first in range(0, len(time), _CHUNK)
    )
    return time // second if whole else time


def drop_duplicates(interactions: Interactions) -> tuple[Interactions, FilterApplied]:
    """Keep the first of interactions with the same user, item and time.

    Args:
        interactions: sorted in time.
    """
    user, time = interactions.user, interactions.time
    tied = np.flatnonzero((user[1:] == user[:-1]) & (time[1:] == time[:-1]))
    # Only rows beside a row of the same user and time can be duplicates; that is a small part.
    near = np.union1d(tied, tied + 1)
    frame = pl.DataFrame({"user": user[near], "item": interactions.item[near], "time": time[near]})
    duplicate = ~frame.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    keep = np.ones(len(interactions), dtype=np.bool_)
    keep[near[duplicate]] = False
    removed = int(np.count_nonzero(duplicate))
    kept = interactions.take(keep) if removed else interactions
    return kept, FilterApplied(name="duplicates", interactions=removed)


def k_core(interactions: Interactions, *, min_user: int, min_item: int) -> tuple[Interactions, FilterApplied]:
    """Leave out users and items with too few interactions until none is left that has too few.

    Args:
        interactions: in any order, which stays.
        min_user, min_item: fewest interactions of a user and of an item; 0 and 1 ask for nothing.
    """
    before = interactions
    users, items = _used(before.user_counts()), _used(before.item_counts())
    rounds = 0
    while True:
        few_users = _few(interactions.user_counts(), min_user)
        few_items = _few(interactions.item_counts(), min_item)
        if not (few_users.any() or few_items.any()):
            break
        rounds += 1
        interactions = interactions.take(~(few_users[interactions.user] | few_items[interactions.item]))
    applied = FilterApplied(
        name="min_interactions",
        interactions=len(before) - len(interactions),
        users=users - _used(interactions.user_counts()),
        items=items - _used(interactions.item_counts()),
        rounds=rounds,
    )
    return interactions, applied


def keep_newest(interactions: Interactions, max_length: int) -> tuple[Interactions, FilterApplied]:
    """Keep the newest interactions of every user.

    Args:
        interactions: sorted in time.
        max_length: how many a user keeps at most.
    """
    counts = interactions.user_counts()
    last = np.cumsum(counts)
    from_end = last[interactions.user] - np.arange(len(interactions))
    keep = from_end <= max_length
    items = _used(interactions.item_counts())
    kept = interactions if keep.all() else interactions.take(keep)
    applied = FilterApplied(
        name="max_length",
        interactions=len(interactions) - len(kept),
        items=items - _used(kept.item_counts()),
    )
    return kept, applied


def _used(counts: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(counts))


def _few(counts: NDArray[np.int64], least: int) -> NDArray[np.bool_]:
    few: NDArray[np.bool_] = (counts > 0) & (counts < least)
    return few
