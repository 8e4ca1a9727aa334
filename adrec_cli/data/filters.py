"""What leaves interactions out: duplicates, the k-core, the longest history; and their order in time."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.names import Ties
from adrec_cli.data.sorting import is_ascending, stable_order

_CHUNK: Final = 1 << 20


def sort_in_time(interactions: Interactions, ties: Ties) -> Interactions:
    """Sort by user, then part if the source is split, then time; equal times as `ties` says.

    Args:
        interactions: in the order of the source.
        ties: "source" keeps the order of the source among equal times, "item" takes ascending item ids.
    """
    keys: list[NDArray[np.integer]] = [interactions.user]
    if interactions.part is not None:
        keys.append(interactions.part)
    keys.append(_short_key(interactions.time))
    if ties == "item":
        keys.append(interactions.item)
    order = stable_order(keys)
    return interactions if order is None else interactions.take(order)


def _short_key(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times in seconds where all are whole seconds, which makes shorter keys where keys are needed."""
    second = 10**6
    if is_ascending(time):
        return time
    whole = all(not np.any(time[first : first + _CHUNK] % second) for first in range(0, len(time), _CHUNK))
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
    user, item = interactions.user, interactions.item
    users, items = interactions.user_counts().copy(), interactions.item_counts().copy()
    rounds = 0
    while (few_users := _few(users, min_user)).any() | (few_items := _few(items, min_item)).any():
        rounds += 1
        gone = few_users[user] | few_items[item]
        users -= np.bincount(user[gone], minlength=len(users))
        items -= np.bincount(item[gone], minlength=len(items))
        user, item = user[~gone], item[~gone]
    # Whoever stays, stays with everything that is of an item that stays.
    stays = (users > 0)[interactions.user] & (items > 0)[interactions.item]
    core = interactions.take(stays) if rounds else interactions
    applied = FilterApplied(
        name="min_interactions",
        interactions=len(interactions) - len(core),
        users=_count_used(interactions.user_counts()) - _count_used(users),
        items=_count_used(interactions.item_counts()) - _count_used(items),
        rounds=rounds,
    )
    return core, applied


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
    items = _count_used(interactions.item_counts())
    kept = interactions if keep.all() else interactions.take(keep)
    applied = FilterApplied(
        name="max_length",
        interactions=len(interactions) - len(kept),
        items=items - _count_used(kept.item_counts()),
    )
    return kept, applied


def _count_used(counts: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(counts))


def _few(counts: NDArray[np.int64], least: int) -> NDArray[np.bool_]:
    few: NDArray[np.bool_] = (counts > 0) & (counts < least)
    return few
