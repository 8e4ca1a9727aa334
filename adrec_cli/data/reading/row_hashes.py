"""A hash of the rows a file was read to, whatever its bytes: format, compression, order of columns and of rows."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.coding import text_bytes
from adrec_cli.data.interactions import Interactions

_VERSION: Final = b"adrec rows 1"
_CHUNK: Final = 1 << 18
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)


def content_sha256(interactions: Interactions, rows: slice, *, left_out: int = 0) -> str:
    """Return the SHA-256 of what some rows say: who, what and when, as often as they say it, in any order.

    Ids are hashed as text. A row is mixed into 64 bits, and these and their squares are added up, so that the
    order of rows does not matter: an export that repeats another without an order of its own is the same content.

    Args:
        interactions: as read.
        rows: of one file.
        left_out: how many more it has that were read and not wanted, such as those rated too low.
    """
    user, user_ids = _mix_ids(interactions.user[rows], interactions.user_ids, salt=1)
    item, item_ids = _mix_ids(interactions.item[rows], interactions.item_ids, salt=2)
    time = interactions.time[rows]
    part = None if interactions.part is None else interactions.part[rows]
    users, items = interactions.user[rows], interactions.item[rows]
    total = np.zeros(2, dtype=np.uint64)
    for first in range(0, len(time), _CHUNK):
        some = slice(first, first + _CHUNK)
        mixed = user[users[some]] + item[items[some]]
        mixed += time[some].astype(np.uint64) * _ODD
        if part is not None:
            mixed += part[some].astype(np.uint64) * _FIRST
        mixed = _mix(mixed)
        # Both modulo 2^64, which is what arrays do without a warning.
        total += np.array([mixed.sum(dtype=np.uint64), np.dot(mixed, mixed)])
    digest = hashlib.sha256(_VERSION)
    digest.update(np.array([len(time), left_out], dtype="<u8").tobytes() + total.astype("<u8").tobytes())
    for ids in (user_ids, item_ids):
        begins, content = text_bytes(ids)
        digest.update(np.diff(begins).astype("<u4").tobytes())
        digest.update(content.data)
    return digest.hexdigest()


def _mix_ids(codes: npt.NDArray[np.int32], ids: pl.Series, *, salt: int) -> tuple[npt.NDArray[np.uint64], pl.Series]:
    """Return 64 mixed bits for each id, by its rank among the ids that occur, and these in order of code points."""
    used = np.unique(codes) if len(codes) < len(ids) else np.flatnonzero(np.bincount(codes, minlength=len(ids)))
    occurring = ids.gather(used)
    # Ids that are no numbers are in this order already.
    if not occurring.is_sorted():
        order = occurring.arg_sort().to_numpy()
        used, occurring = used[order], occurring.gather(order)
    table = np.zeros(len(ids), dtype=np.uint64)
    table[used] = _mix(np.arange(len(used), dtype=np.uint64) * _ODD + np.uint64(salt))
    return table, occurring


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix the bits of each value. Source: SplitMix64's finalizer (Steele, Lea, Flood 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= _FIRST
    values ^= values >> np.uint64(27)
    values *= _SECOND
    values ^= values >> np.uint64(31)
    return values
