"""Names in the order in which people count: `part-2` before `part-10`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Final, TypeVar

T = TypeVar("T")

_PIECES: Final = re.compile(r"[0-9]+|[^0-9]")
_DIGIT: Final = ord("0")

NaturalKey = tuple[tuple[tuple[int, int], ...], str]


def order_naturally(entries: Iterable[T], name: Callable[[T], str | PurePath]) -> list[T]:
    """Return entries in the natural order of their names; of a path folders count before what lies in them.

    Args:
        entries: in any order.
        name: of an entry.
    """

    def key(entry: T) -> tuple[NaturalKey, ...]:
        named = name(entry)
        return tuple(map(natural_key, named.parts if isinstance(named, PurePath) else (named,)))

    return sorted(entries, key=key)


def natural_key(name: str) -> NaturalKey:
    """Return what a name is ordered by: code points, except that digits in a row count as the number they write.

    A number stands where its digits stand among all characters, so that names without numbers of different lengths
    keep the order of their letters; `7` and `007` are ordered by their letters.
    """
    pieces = _PIECES.findall(name)
    return tuple((_DIGIT, int(piece)) if "0" <= piece[0] <= "9" else (ord(piece), 0) for piece in pieces), name
