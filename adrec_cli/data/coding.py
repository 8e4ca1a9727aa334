"""Ids as text, coded as integers in a documented order."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Codes = NDArray[np.int32]


def sort_ids(ids: pl.Series) -> NDArray[np.int64]:
    """Return the positions of distinct ids in ascending order.

    Ids that are all whole numbers compare as numbers ("9" before "10"; "007" and "7" by their text), others by
    code point.

    Args:
        ids: distinct text.
    """
    numbers = ids.cast(pl.Int128, strict=False)
    keys = [ids] if numbers.null_count() else [numbers, ids]
    frame = pl.DataFrame({f"k{i}": key for i, key in enumerate(keys)})
    return frame.select(pl.arg_sort_by(frame.columns)).to_series().to_numpy().astype(np.int64)


def rank_ids(ids: pl.Series) -> tuple[pl.Series, Codes]:
    """Return distinct ids in ascending order, and the rank of each."""
    order = sort_ids(ids)
    ranks = np.empty(len(ids), dtype=np.int32)
    ranks[order] = np.arange(len(ids), dtype=np.int32)
    return ids.gather(order), ranks


def union_ids(old: pl.Series, new: pl.Series) -> tuple[pl.Series, Codes, Codes]:
    """Return all ids in order, and for each old and each new one its rank among them."""
    both = pl.concat([old.rename("id"), new.rename("id")])
    distinct = both.unique(maintain_order=True)
    ids, ranks = rank_ids(distinct)
    where = pl.DataFrame({"id": distinct, "rank": ranks})
    found = pl.DataFrame({"id": both}).join(where, on="id", how="left", maintain_order="left")["rank"].to_numpy()
    return ids, found[: len(old)], found[len(old) :]


def encode(column: pl.Series) -> tuple[Codes, pl.Series]:
    """Code a column of ids by their rank.

    Args:
        column: categorical or integer, without nulls.

    Returns:
        for each row the rank of its id; the distinct ids as text in ascending order.
    """
    distinct = column.unique()
    if column.dtype.is_integer():
        distinct = distinct.sort()
        return _integer_ranks(column.to_numpy(), distinct.to_numpy()), distinct.cast(pl.String)
    text = distinct.cast(pl.String)
    order = sort_ids(text)
    physical = distinct.to_physical().to_numpy()
    ranks = np.zeros(int(physical.max(initial=0)) + 1, dtype=np.int32)
    ranks[physical[order]] = np.arange(len(order), dtype=np.int32)
    return ranks[column.to_physical().to_numpy()], text.gather(order)


def _integer_ranks(values: NDArray[np.int64], distinct: NDArray[np.int64]) -> Codes:
    if not len(distinct):
        return np.zeros(0, dtype=np.int32)
    low, high = int(distinct[0]), int(distinct[-1])
    if high - low > max(4 * len(values), 1 << 20):
        return np.searchsorted(distinct, values).astype(np.int32)
    ranks = np.zeros(high - low + 1, dtype=np.int32)
    ranks[(distinct - distinct[0]).astype(np.int64)] = np.arange(len(distinct), dtype=np.int32)
    coded: Codes = ranks[values - distinct.dtype.type(low)]
    return coded
