"""Which cases are ranked against which candidates: the protocol every figure is printed with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import command

if TYPE_CHECKING:
    from adrec_cli.data.sequences import Sequences

PARTS = ("valid", "test")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How targets are ranked.

    Attributes:
        split: "loo" (leave one out), "time" (global time) or "cold" (items held out whole).
        part: "valid" or "test".
        negatives: number sampled to rank against; 0 ranks against the whole catalogue.
        negatives_source: "drawn" or the name of the file they come from; only recorded.
        mask_seen: items of the history do not compete (the target always does).
        cold_items: targets that never occur in train alone, among such items alone.
    """

    split: str = "loo"
    part: str = "test"
    negatives: int = 0
    negatives_source: str = "drawn"
    mask_seen: bool = False
    cold_items: bool = False

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise UsageError(f"unknown part {self.part!r}", hint=f"one of: {', '.join(PARTS)}")
        if self.negatives < 0:
            raise UsageError(f"negatives must not be negative, got {self.negatives}")

    @property
    def code(self) -> str:
        """The short code printed beside every figure, such as loo/full/test or loo/sampled-99/valid."""
        candidates = f"sampled-{self.negatives}" if self.negatives else "full"
        if self.cold_items:
            candidates = "cold-items"
        masked = "/mask-seen" if self.mask_seen else ""
        return f"{self.split}/{candidates}/{self.part}{masked}"


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Held-out events, each with the history before it.

    Attributes:
        users: row of the user of each case.
        starts, ends: the history is items[start:end] of `Sequences.items`; never empty.
        targets: item index to be ranked.
    """

    users: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)

    def draw(self, count: int, seed: int) -> Cases:
        """Return at most `count` of the cases, drawn at random, in their order."""
        return self.some(np.sort(np.random.default_rng(seed).permutation(len(self))[:count]))

    def some(self, chosen: slice | npt.NDArray[np.int64]) -> Cases:
        """Return the cases of these numbers."""
        return Cases(
            users=self.users[chosen], starts=self.starts[chosen], ends=self.ends[chosen], targets=self.targets[chosen]
        )


def select_cases(sequences: Sequences, part: str) -> Cases:
    """Return one case for each event of a part, with everything of the user before it as history.

    Leave-one-out has one event per user; a global-time split may have several, and an event without any history is left
    out, as no sequential model can say anything.

    Raises:
        InputError: the part has no event.
    """
    if part not in PARTS:
        raise UsageError(f"unknown part {part!r}", hint=f"one of: {', '.join(PARTS)}")
    begin = sequences.train_end if part == "valid" else sequences.valid_end
    end = sequences.valid_end if part == "valid" else sequences.lengths
    begin = np.maximum(begin, 1)
    counts = np.maximum(end - begin, 0)
    users = np.repeat(np.arange(sequences.users), counts)
    within = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = sequences.offsets[users]
    ends = starts + begin[users] + within
    if not len(users):
        raise InputError(f"no user has a {part} event", hint="check the split and the filters of preprocess")
    return Cases(users=users, starts=starts, ends=ends, targets=sequences.items[ends].astype(np.int64))


def cold_cases(cases: Cases, train_counts: npt.NDArray[np.int64]) -> Cases:
    """Return the cases whose target never occurs in train.

    Args:
        cases: all of them.
        train_counts: train events of each item, from index 1 on.

    Raises:
        InputError: there is none.
    """
    chosen = np.flatnonzero(train_counts[cases.targets - 1] == 0)
    if not len(chosen):
        raise InputError(
            "every target occurs in train, so no item is cold",
            hint=f"hold items out: {command('preprocess', 'SOURCE', split='cold-items', name='NAME')}",
        )
    return cases.some(chosen)


def find_repeats(sequences: Sequences, cases: Cases) -> npt.NDArray[np.bool_]:
    """Return which cases have a target that stands in their history already."""
    width = sequences.item_count + 1
    owner = np.repeat(np.arange(sequences.users), sequences.lengths)
    # The first event of each user and item.
    keys, first = np.unique(owner * width + sequences.items, return_index=True)
    wanted = cases.users * width + cases.targets
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    found: npt.NDArray[np.bool_] = (keys[at] == wanted) & (first[at] < cases.ends)
    return found
