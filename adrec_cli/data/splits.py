"""Where training ends and where validation ends in every user's sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adrec_cli.data.interactions import Interactions

UNCHANGING: Final = {
    "given": "keeps the split of its source, so new events cannot be placed",
    "cold-items": "holds out items and left out what came after them, so new events cannot be placed",
}
"""Splits of data sets that cannot be added to, and why."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Of each user: events [0, train_end) train, [train_end, valid_end) valid, the rest test.

    Attributes:
        length: number of events.
        train_end, valid_end: as above.
    """

    length: NDArray[np.int32]
    train_end: NDArray[np.int32]
    valid_end: NDArray[np.int32]


def leave_one_out(interactions: Interactions) -> Bounds:
    """Hold out the last event for test and the one before for validation; below 3 events all are training."""
    length = interactions.user_counts().astype(np.int32)
    enough = length >= 3
    return Bounds(
        length=length, train_end=np.where(enough, length - 2, length), valid_end=np.where(enough, length - 1, length)
    )


def split_by_time(interactions: Interactions, *, valid_from: int, test_from: int) -> Bounds:
    """Train on what lies before one moment, validate up to another, test from there.

    Args:
        interactions: sorted in time.
        valid_from, test_from: microseconds since the epoch; valid_from <= test_from.
    """
    return _bounds(interactions, interactions.time < valid_from, interactions.time < test_from)


def split_as_given(interactions: Interactions) -> Bounds:
    """Take the parts the source came in.

    Args:
        interactions: sorted in time with `part` set.
    """
    if interactions.part is None:
        raise ValueError("the interactions have no parts")
    return _bounds(interactions, interactions.part < 1, interactions.part < 2)


def train_mask(interactions: Interactions, bounds: Bounds) -> NDArray[np.bool_]:
    """Return which events are training, for interactions sorted in time."""
    start = np.cumsum(bounds.length, dtype=np.int64) - bounds.length
    mask: NDArray[np.bool_] = (
        np.arange(len(interactions)) - start[interactions.user] < bounds.train_end[interactions.user]
    )
    return mask


def _bounds(interactions: Interactions, train: NDArray[np.bool_], not_test: NDArray[np.bool_]) -> Bounds:
    users = len(interactions.user_ids)
    return Bounds(
        length=interactions.user_counts().astype(np.int32),
        train_end=np.bincount(interactions.user[train], minlength=users).astype(np.int32),
        valid_end=np.bincount(interactions.user[not_test], minlength=users).astype(np.int32),
    )
