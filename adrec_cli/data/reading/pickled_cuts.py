"""The cuts ADRec's authors published: a pickled dict of `train`, `val` and `test`, a list of items a user."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.data.reading.decoding import unreadable
from adrec_cli.data.reading.plain_pickle import MOST_VALUES, read_plain_pickle
from adrec_cli.errors import InputError

_PICKLE_HEADS: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
"""How a pickle of protocol 2 or later begins; no text does, in whatever encoding."""
_PARTS: Final = ("train", "val", "test")
_LARGEST: Final = 2**31 - 1


def is_pickle(path: Path) -> bool:
    """Return whether a file begins as a pickle does.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(2).startswith(_PICKLE_HEADS)
    except OSError as error:
        raise unreadable(path, error) from error


def write_cut_as_parquet(path: Path, target: Path) -> None:
    """Write a pickled cut as a table of one user per row: user_id (from 1), train, val and test, lists of item ids.

    Args:
        path: the pickle.
        target: the Parquet file to write.

    Raises:
        InputError: it is not a pickle of plain containers, or no cut; what was expected and found.
    """
    content = read_plain_pickle(path)
    if not isinstance(content, dict) or set(content) != set(_PARTS):
        found = f"keys {', '.join(content)[:80]}" if isinstance(content, dict) else type(content).__name__
        raise _no_cut(path, f"expected a dict of {', '.join(_PARTS)}, got {found}")
    parts = {part: _lists_of(path, part, content[part]) for part in _PARTS}
    users = len(parts["train"])
    if users == 0 or any(len(lists) != users for lists in parts.values()):
        sizes = ", ".join(f"{len(lists):,} of {part}" for part, lists in parts.items())
        raise _no_cut(path, f"expected the same users in each part, got {sizes}")
    lists = pa.list_(pa.int32())
    columns = {part: pa.array(values, type=lists) for part, values in parts.items()}
    pq.write_table(pa.table({"user_id": pa.array(range(1, users + 1), type=pa.int32()), **columns}), target)


def _lists_of(path: Path, part: str, value: Any) -> list[list[int]]:
    if not isinstance(value, list):
        raise _no_cut(path, f"{part} is not a list")
    total = 0
    for number, items in enumerate(value, start=1):
        if not isinstance(items, list):
            raise _no_cut(path, f"{part}, user {number:,}: expected a list of items, got {str(items)[:40]!r}")
        # One list may stand in many places, so that a small file can be a large table.
        total += len(items)
        if total > MOST_VALUES:
            raise _no_cut(path, f"{part} has more than {MOST_VALUES:,} items")
        for item in items:
            if type(item) is not int or not 0 < item <= _LARGEST:
                raise _no_cut(path, f"{part}, user {number:,}: expected item numbers from 1, got {str(item)[:40]!r}")
    return value


def _no_cut(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not a cut of the form ADRec's authors publish: {reason}",
        hint="convert it where it was made, to CSV, JSON lines or Parquet",
    )
