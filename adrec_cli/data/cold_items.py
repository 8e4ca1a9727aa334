"""Items held out whole: none of their events is in train, so that what a model makes of new items can be measured."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.splits import Bounds
from adrec_cli.errors import InputError
from adrec_cli.wording import option

COLD_SHARE: Final = 0.1
"""Of the items that are held out; half of them for validation, half for test."""
_TRAIN, _VALID, _TEST = 0, 1, 2


def hold_out_items(interactions: Interactions) -> tuple[Interactions, Bounds, FilterApplied]:
    """Return events in which held-out items occur as the last of a user alone.

    Of each user the newest event with a held-out item is the target; other events with such items are left out, and so
    is what comes after the target, which a history cannot know. A user without one, or with nothing before it, is
    training only. Which items are held out follows from a hash of their ids, so that equal catalogues have equal ones.

    Args:
        interactions: sorted by user and time.

    Returns:
        what is left, without ids that do not occur; its bounds; what was left out.

    Raises:
        InputError: no target is left for validation or for test.
    """
    part = _parts(interactions.item_ids)[interactions.item]
    places = np.arange(len(part))
    held = part != _TRAIN
    # The newest held-out event of each user, and what comes before it.
    last = np.full(len(interactions.user_ids), -1, dtype=np.int64)
    np.maximum.at(last, interactions.user[held], places[held])
    before = ~held & ((last[interactions.user] < 0) | (places < last[interactions.user]))
    history = np.bincount(interactions.user[before], minlength=len(last))
    is_target = held & (places == last[interactions.user]) & (history[interactions.user] > 0)
    # Where nothing comes before it, what comes after is a history to learn from anyway.
    alone = (last >= 0) & (history == 0)
    kept = before | is_target | (~held & alone[interactions.user])
    left = interactions.take(kept).compact()
    part = part[kept]
    length = left.user_counts()
    users = len(left.user_ids)
    of_train, of_valid = (np.bincount(left.user[part == one], minlength=users) for one in (_TRAIN, _VALID))
    for one, name in ((_VALID, "validation"), (_TEST, "test")):
        if not (part == one).any():
            raise InputError(
                f"no user has a {name} target among the items held out", hint=option("split", "leave-one-out")
            )
    bounds = Bounds(
        length=length.astype(np.int32),
        train_end=of_train.astype(np.int32),
        valid_end=(of_train + of_valid).astype(np.int32),
    )
    gone = FilterApplied(
        name="cold_items",
        interactions=len(interactions) - len(left),
        users=len(interactions.user_ids) - users,
        items=len(interactions.item_ids) - len(left.item_ids),
    )
    return left, bounds, gone


def _parts(item_ids: pl.Series) -> NDArray[np.int8]:
    """Return the part of each item: train, validation or test."""
    digests = (hashlib.sha256(item_id.encode()).digest()[:8] for item_id in item_ids)
    shares = np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.float64) / 2.0**64
    return np.select([shares < COLD_SHARE / 2, shares < COLD_SHARE], [_TEST, _VALID], _TRAIN).astype(np.int8)
