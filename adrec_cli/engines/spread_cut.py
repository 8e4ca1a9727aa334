"""The cut of interactions that lie in parts by user: what `make_cut` does, of which only the k-core sees all parts."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes
from adrec_cli.data.cuts import choose_split, nothing_left
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.filters import drop_duplicates, keep_newest, sort_in_time
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.names import Split
from adrec_cli.data.pending import hold_back
from adrec_cli.data.settings import Settings
from adrec_cli.data.splits import UNCHANGING
from adrec_cli.engines.parts import Parts, UserRows

_NO_TIME: Final = np.iinfo(np.int64)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What of a part waits for later updates, as `Pending` has it, by rank among all users and items."""

    user: Codes
    item: Codes
    time: NDArray[np.int64]
    position: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """A part, sorted in time.

    Attributes:
        full: without duplicates, if these are dropped.
        stays: which of them the k-core has left so far.
    """

    full: Interactions
    stays: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PartCut:
    """What is kept of a part, and what waits; None where nothing does."""

    kept: Interactions
    waiting: Waiting | None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What parts count, which adds up.

    Attributes:
        items: interactions of each item.
        users, events: how many there are.
        few: whether a user has too few.
        removed: duplicates that were dropped.
    """

    items: NDArray[np.int64]
    users: int
    events: int
    few: bool = False
    removed: int = 0

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            items=self.items + other.items,
            users=self.users + other.users,
            events=self.events + other.events,
            few=self.few or other.few,
            removed=self.removed + other.removed,
        )

    @property
    def used_items(self) -> int:
        """How many items have interactions."""
        return int(np.count_nonzero(self.items))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What parts keep in the end, which adds up.

    Attributes:
        counts: of what is kept.
        first, last: times of the oldest and the newest interaction that is kept.
        waiting_users: ranks of users with interactions that wait, ascending.
        waiting_items: interactions of each item that wait.
    """

    counts: Counts
    first: int
    last: int
    waiting_users: NDArray[np.int32]
    waiting_items: NDArray[np.int64]

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            counts=self.counts + other.counts,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            waiting_users=np.union1d(self.waiting_users, other.waiting_users),
            waiting_items=self.waiting_items + other.waiting_items,
        )


@dataclass(frozen=True, kw_only=True)
class SpreadCut:
    """A cut whose interactions lie in parts, each of which holds a `PartCut`.

    Attributes:
        parts: as said.
        kept: what they keep.
        split: how users are split when they are written.
        removed: what each filter left out, in order.
        holds_back: whether filters hold anything back for later updates.
    """

    parts: Parts
    kept: Kept
    split: Split
    removed: list[FilterApplied]
    holds_back: bool


def can_be_spread(settings: Settings, item_ids: pl.Series) -> bool:
    """Return whether a cut can be made part by part.

    Items that are held out are chosen among those that are left; and where ties go by item, but nothing is counted, one
    interaction of all may have to wait as a witness that not all ids of items are numbers.
    """
    counting = max(settings.min_user_interactions, settings.min_item_interactions) > 1
    witness = settings.ties == "item" and settings.max_length > 0 and not counting
    numbers = not witness or not item_ids.cast(pl.Int128, strict=False).null_count()
    return settings.split != "cold-items" and numbers


def cut_parts(
    parts: Parts, settings: Settings, removed: list[FilterApplied], *, given: bool, timed: bool = True
) -> SpreadCut:
    """Sort in time, drop duplicates, take the k-core, and keep the newest.

    Args:
        parts: each holds `UserRows`.
        settings: of the filters and the split.
        removed: what reading has left out already.
        given: whether the source is split already.
        timed: whether it has times; else it cannot be added to, and nothing waits.

    Raises:
        InputError: nothing is left.
        UsageError: the source is not split though `split` is "given".
    """
    split, removed = choose_split(settings, given=given), list(removed)
    counts = parts.step(functools.partial(_sort, settings, split == "given"))
    read = counts.events + counts.removed + sum(applied.interactions for applied in removed)
    if settings.duplicates == "drop":
        removed.append(FilterApplied(name="duplicates", interactions=counts.removed))
    counting = max(settings.min_user_interactions, settings.min_item_interactions) > 1
    if counting:
        counts, applied = _take_core(parts, counts, settings)
        removed.append(applied)
    holds_back = timed and split not in UNCHANGING and bool(counting or settings.max_length)
    kept = parts.step(functools.partial(_finish, settings, counting, holds_back))
    if settings.max_length:
        applied = FilterApplied(
            name="max_length",
            interactions=counts.events - kept.counts.events,
            items=counts.used_items - kept.counts.used_items,
        )
        removed.append(applied)
    if not kept.counts.events:
        raise nothing_left(read, removed, settings)
    return SpreadCut(parts=parts, kept=kept, split=split, removed=removed, holds_back=holds_back)


def _sort(settings: Settings, given: bool, rows: UserRows) -> tuple[Sorted, Counts]:
    interactions = rows.as_interactions()
    if not given:
        interactions = interactions.drop_parts()
    interactions, removed = sort_in_time(interactions, settings.ties), 0
    if settings.duplicates == "drop":
        interactions, applied = drop_duplicates(interactions)
        removed = applied.interactions
    part = Sorted(full=interactions, stays=np.ones(len(interactions), dtype=np.bool_))
    return part, replace(_count(interactions, settings), removed=removed)


def _take_core(parts: Parts, full: Counts, settings: Settings) -> tuple[Counts, FilterApplied]:
    """Leave out, round by round as `k_core` does, users and items with too few interactions in all parts."""
    counts, rounds = full, 0
    while counts.few | (few := _few(counts.items, settings.min_item_interactions)).any():
        rounds += 1
        counts = parts.step(functools.partial(_leave_out, settings, few))
    applied = FilterApplied(
        name="min_interactions",
        interactions=full.events - counts.events,
        users=full.users - counts.users,
        items=full.used_items - counts.used_items,
        rounds=rounds,
    )
    return counts, applied


def _leave_out(settings: Settings, few_items: NDArray[np.bool_], part: Sorted) -> tuple[Sorted, Counts]:
    full = part.full
    users = np.bincount(full.user[part.stays], minlength=len(full.user_ids))
    gone = _few(users, settings.min_user_interactions)[full.user] | few_items[full.item]
    part = replace(part, stays=part.stays & ~gone)
    return part, _count(full.take(part.stays), settings)


def _finish(settings: Settings, counting: bool, holds_back: bool, part: Sorted) -> tuple[PartCut, Kept]:
    full = part.full
    core = full.take(part.stays) if counting else full
    newest = keep_newest(core, settings.max_length)[0] if settings.max_length else core
    waiting = None
    if holds_back:
        pending = hold_back(full, core, newest, counting=counting, ties=settings.ties)
        held = pending.interactions
        waiting = Waiting(
            user=held.user_ids.to_numpy()[held.user],
            item=held.item_ids.to_numpy()[held.item],
            time=held.time,
            position=pending.position,
        )
    nobody, nothing = np.zeros(0, dtype=np.int32), np.zeros(len(full.item_ids), dtype=np.int64)
    kept = Kept(
        counts=_count(newest, settings),
        first=int(newest.time.min(initial=_NO_TIME.max)),
        last=int(newest.time.max(initial=_NO_TIME.min)),
        waiting_users=nobody if waiting is None else np.unique(waiting.user),
        waiting_items=nothing if waiting is None else np.bincount(waiting.item, minlength=len(nothing)),
    )
    return PartCut(kept=newest, waiting=waiting), kept


def _count(interactions: Interactions, settings: Settings) -> Counts:
    users = interactions.user_counts()
    return Counts(
        items=interactions.item_counts(),
        users=int(np.count_nonzero(users)),
        events=len(interactions),
        few=bool(_few(users, settings.min_user_interactions).any()),
    )


def _few(counts: NDArray[np.int64], least: int) -> NDArray[np.bool_]:
    few: NDArray[np.bool_] = (counts > 0) & (counts < least)
    return few
