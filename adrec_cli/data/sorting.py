"""The order of rows by several whole numbers, rows of equal ones as they stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray


def stable_order(keys: Sequence[NDArray[np.integer]]) -> NDArray[np.int64] | None:
    """Return the positions of rows in ascending order, None if they stand in that order.

    Args:
        keys: of each row, of one length; the first counts most.
    """
    keys = list(keys)
    # A stable sort by the others leaves a key in order that is in order already, as the times of most logs are.
    while keys and is_ascending(keys[-1]):
        keys.pop()
    if not keys:
        return None
    lows = [int(key.min()) for key in keys]
    widths = [(int(key.max()) - low).bit_length() for key, low in zip(keys, lows, strict=True)]
    if sum(widths) > 64:
        return _sort_by(keys)
    packed = _pack(keys, lows, widths)
    if len(keys) > 1 and is_ascending(packed):
        return None
    place_bits = (len(packed) - 1).bit_length()
    return _sort_by([packed]) if sum(widths) + place_bits > 64 else _sort_with_places(packed, place_bits)


def is_ascending(values: NDArray[np.integer]) -> bool:
    """Return whether no value is smaller than the one before it."""
    return bool(np.all(values[1:] >= values[:-1]))


def _pack(keys: Sequence[NDArray[np.integer]], lows: Sequence[int], widths: Sequence[int]) -> NDArray[np.uint64]:
    """Return one key that sorts as several do."""
    packed = np.zeros(len(keys[0]), dtype=np.uint64)
    for key, low, width in zip(keys, lows, widths, strict=True):
        packed <<= np.uint64(width)
        packed |= (key - key.dtype.type(low)).astype(np.uint64)
    return packed


def _sort_with_places(packed: NDArray[np.uint64], place_bits: int) -> NDArray[np.int64]:
    """Sort keys with their places behind them: values alone sort several times faster than positions do.

    Args:
        packed: keys, which are overwritten.
        place_bits: bits that a place takes; keys have as many to spare.
    """
    packed <<= np.uint64(place_bits)
    packed |= np.arange(len(packed), dtype=np.uint64)
    places: NDArray[np.uint64] = pl.Series(packed).sort().to_numpy() & np.uint64((1 << place_bits) - 1)
    return places.view(np.int64)


def _sort_by(keys: Sequence[NDArray[np.integer]]) -> NDArray[np.int64]:
    frame = pl.DataFrame({f"k{position}": key for position, key in enumerate(keys)})
    order: NDArray[np.int64] = frame.select(pl.arg_sort_by(frame.columns, maintain_order=True)).to_series().to_numpy()
    return order
