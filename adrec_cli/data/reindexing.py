"""Sequences of one numbering of items in another one, by raw ids, so that a model meets its own items only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.sequences import Sequences
from adrec_cli.schema import ITEM_ID, ITEM_INDEX, PAD

Mapping = npt.NDArray[np.int32]


def index_mapping(source: pl.DataFrame, target: pl.DataFrame) -> Mapping:
    """Return for each index 0..V of the source the index of the same raw id in the target, 0 where it has none.

    Args:
        source, target: `items.parquet` of two data sets.
    """
    joined = source.select(ITEM_ID).join(
        target.select(ITEM_ID, ITEM_INDEX), on=ITEM_ID, how="left", maintain_order="left"
    )
    found = joined[ITEM_INDEX].fill_null(PAD).to_numpy().astype(np.int32)
    return np.concatenate([np.zeros(1, dtype=np.int32), found])


def reindex(sequences: Sequences, mapping: Mapping, item_count: int) -> Sequences:
    """Return the same users with items of another numbering; events of items it does not have are left out.

    Args:
        sequences: numbered as the mapping's source.
        mapping: as `index_mapping`.
        item_count: V of the target.
    """
    items = mapping[sequences.items]
    kept_before = count_kept(items)
    offsets = kept_before[sequences.offsets]
    starts = sequences.offsets[:-1]
    read_seconds = None if sequences.read_seconds is None else lambda: sequences.seconds[items != PAD]
    return replace(
        sequences,
        items=items[items != PAD],
        offsets=offsets,
        train_end=kept_before[starts + sequences.train_end] - offsets[:-1],
        valid_end=kept_before[starts + sequences.valid_end] - offsets[:-1],
        item_count=item_count,
        read_seconds=read_seconds,
    )


def count_kept(items: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return how many of the first n events have an item, for n = 0 to all."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(items != PAD, dtype=np.int64)])
