"""Ids as text, coded as integers in a documented order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from adrec_cli.errors import InputError
from adrec_cli.wording import say_count

Codes = NDArray[np.int32]
_CHUNK: Final = 1 << 18
_MOST_SPARSE: Final = 8


def sort_ids(ids: pl.Series) -> NDArray[np.int64]:
    """Return the positions of distinct ids in ascending order.

    Ids that are all whole numbers compare as numbers ("9" before "10"; "007" and "7" by their text), others by
    code point.

    Args:
        ids: distinct text.
    """
    # Most ids that are no numbers show it at once.
    numbers = ids.head(1).cast(pl.Int128, strict=False)
    if not numbers.null_count():
        numbers = ids.cast(pl.Int128, strict=False)
    leading = _leading_bytes(ids) if numbers.null_count() else numbers
    # Numbers in front: where they differ no text is compared.
    frame = pl.DataFrame({"leading": leading, "text": ids})
    return frame.select(pl.arg_sort_by("leading", "text")).to_series().to_numpy().astype(np.int64)


def _leading_bytes(ids: pl.Series) -> NDArray[np.uint64]:
    """Return the first eight bytes behind what all ids begin with, as a number that sorts as they do."""
    low, high = str(ids.min() or "").encode(), str(ids.max() or "").encode()
    common = next((place for place, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    begins, content = text_bytes(ids)
    begins, ends = begins[:-1] + common, begins[1:]
    padded = np.append(content, np.zeros(8, dtype=np.uint8))
    words = np.ndarray(len(content) + 1, dtype=">u8", buffer=padded, strides=(1,))
    missing = (8 * np.clip(8 - (ends - begins), 0, 8)).astype(np.uint64)
    leading: NDArray[np.uint64] = words[begins].astype(np.uint64) >> missing << missing
    return leading


def text_array(ids: pl.Series) -> pa.StringArray:
    """Return ids without nulls as an array of the text type that every Parquet reader knows.

    Raises:
        InputError: their text is longer than its 32-bit offsets reach.
    """
    begins, content = text_bytes(ids)
    if begins[-1] > np.iinfo(np.int32).max:
        raise InputError(
            f"column {ids.name!r} has {say_count(begins[-1], 'byte')} "
            f"of text, expected at most {np.iinfo(np.int32).max:,}",
            hint="give shorter texts; ids may be numbers",
        )
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(begins.astype(np.int32)), pa.py_buffer(content))


def text_bytes(ids: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the UTF-8 of all ids, one behind the other, and where each begins; the last one's end behind these."""
    array = ids.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, content = array.buffers()
    first, after = array.offset, array.offset + len(array) + 1
    begins = np.frombuffer(offsets, dtype=np.int64)[first:after]
    if not len(array):
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    data = np.zeros(0, dtype=np.uint8) if content is None else np.frombuffer(content, dtype=np.uint8)
    return begins - begins[0], data[begins[0] : begins[-1]]


def rank_ids(ids: pl.Series) -> tuple[pl.Series, Codes]:
    """Return distinct ids in ascending order, and the rank of each."""
    order = sort_ids(ids)
    ranks = np.empty(len(ids), dtype=np.int32)
    ranks[order] = np.arange(len(ids), dtype=np.int32)
    return ids.gather(order), ranks


def union_ids(old: pl.Series, new: pl.Series) -> tuple[pl.Series, Codes, Codes]:
    """Return all ids in order, and for each old and each new one its rank among them."""
    ids, (of_old, of_new) = union_all([old, new])
    return ids, of_old, of_new


def union_all(several: Sequence[pl.Series]) -> tuple[pl.Series, list[Codes]]:
    """Return all ids in order, and for each series the rank of each of its ids among them."""
    together = pl.concat([ids.rename("id") for ids in several])
    distinct = together.unique(maintain_order=True)
    ids, ranks = rank_ids(distinct)
    where = pl.DataFrame({"id": distinct, "rank": ranks})
    found = pl.DataFrame({"id": together}).join(where, on="id", how="left", maintain_order="left")["rank"].to_numpy()
    return ids, np.split(found, np.cumsum([len(one) for one in several])[:-1])


def encode(column: pl.Series) -> tuple[Codes, pl.Series]:
    """Code a column of ids by their rank.

    Args:
        column: categorical or integer, without nulls.

    Returns:
        for each row the rank of its id; the distinct ids as text in ascending order.
    """
    if column.dtype.is_integer():
        distinct = column.unique().sort()
        return _integer_ranks(column.to_numpy(), distinct.to_numpy()), distinct.cast(pl.String)
    distinct = distinct_categories(column)
    text = distinct.cast(pl.String)
    order = sort_ids(text)
    physical = distinct.to_physical().to_numpy()
    ranks = np.zeros(int(physical.max(initial=0)) + 1, dtype=np.int32)
    ranks[physical[order]] = np.arange(len(order), dtype=np.int32)
    return ranks[column.to_physical().to_numpy()], text.gather(order)


def distinct_categories(column: pl.Series) -> pl.Series:
    """Return the distinct values of a column of categories without nulls, in no order that means something."""
    physical = column.to_physical().to_numpy()
    size = int(physical.max(initial=0)) + 1
    if size > _MOST_SPARSE * len(physical):
        # The process has met far more ids than there are rows.
        return column.unique()
    places = np.full(size, -1, dtype=np.int64)
    # In chunks: places of all rows at once would be a large array to make for nothing.
    for first in range(0, len(physical), _CHUNK):
        some = physical[first : first + _CHUNK]
        places[some] = np.arange(first, first + len(some))
    return column.gather(places[places >= 0])


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
