"""Sequences of a given shape drawn at random, to measure on: nothing can be learned from them."""

from __future__ import annotations

import numpy as np
import polars as pl

from adrec_cli.data.sequences import Sequences

SHORTEST = 5
"""Events of a user at least, as the five-core filter leaves them."""


def synthetic_sequences(
    *, users: int, items: int, mean_length: float, longest: int | None = None, seed: int = 0
) -> Sequences:
    """Draw sequences for leave-one-out: lengths from 5 on, geometric; items by a Zipf popularity.

    Args:
        users, items: how many.
        mean_length: events a user on average, above 5.
        longest: where lengths are cut; None leaves them.
        seed: equal seeds give equal sequences.
    """
    random = np.random.default_rng(seed)
    lengths = SHORTEST - 1 + random.geometric(1 / (mean_length - SHORTEST + 1), size=users)
    lengths = np.minimum(lengths, longest or lengths.max()).astype(np.int64)
    popularity = 1 / np.arange(1, items + 1)
    drawn = random.choice(items, size=int(lengths.sum()), p=popularity / popularity.sum())
    return Sequences(
        user_ids=pl.Series([f"u{user}" for user in range(users)]),
        items=(drawn + 1).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths - 2,
        valid_end=lengths - 1,
        item_count=items,
    )
