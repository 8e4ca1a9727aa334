"""Codes for a column of text ids that comes in batches, so that its text is never held as a whole."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes

_FEWEST_SLOTS: Final = 1 << 12


class IdCoder:
    """Gives equal ids equal codes: 0, 1, ... in an order that means nothing.

    A hash table with open addressing, probed for a whole batch at a time; several times faster than casting to
    categories, whose every row waits for memory. Ids are found by 64 bits of hash and then compared as text.
    """

    def __init__(self) -> None:
        self._texts = pl.Series("id", [], dtype=pl.String)
        self._hashes: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._unlike: dict[str | None, int] = {}
        self._count = 0
        self._slots: Codes = np.zeros(0, dtype=np.int32)
        self._make_slots(_FEWEST_SLOTS)

    @property
    def ids(self) -> pl.Series:
        """The distinct ids by their code; one of them is null if a row had none."""
        return self._texts

    def code(self, ids: pl.Series) -> Codes:
        """Return the code of each id of a batch, new ones included.

        Args:
            ids: text; null is an id like others.
        """
        hashes = hash_ids(ids)
        self._make_room(len(hashes))
        codes, new = self._find(hashes)
        if len(new):
            self._texts = pl.concat([self._texts, ids.gather(new).alias("id")], rechunk=True)
        differing = self._texts.gather(codes).ne_missing(ids).arg_true()
        if len(differing):
            self._code_unlike(ids, codes, differing.to_numpy())
        return codes

    def _find(self, hashes: NDArray[np.uint64]) -> tuple[Codes, NDArray[np.int64]]:
        """Return the code of each hash, and the places of those that are new, in the order of their codes."""
        codes: Codes = np.empty(len(hashes), dtype=np.int32)
        new: list[NDArray[np.int64]] = []
        places: NDArray[np.int64] | None = None
        slots = (hashes >> self._shift).view(np.int64)
        while len(hashes):
            found = self._slots.take(slots)
            empty = np.flatnonzero(found < 0)
            if len(empty):
                taking = self._take_slots(hashes, slots, empty)
                new.append(taking if places is None else places[taking])
                found = self._slots.take(slots)
            if places is None:
                codes = found
            else:
                codes[places] = found
            others = np.flatnonzero(self._hashes.take(found) != hashes)
            places = others if places is None else places[others]
            hashes, slots = hashes[others], (slots[others] + 1) & (len(self._slots) - 1)
        return codes, np.concatenate(new) if new else np.zeros(0, dtype=np.int64)

    def _take_slots(
        self, hashes: NDArray[np.uint64], slots: NDArray[np.int64], empty: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Give new codes to one row of each empty slot that rows came to, and return these rows."""
        wanted = slots[empty]
        self._claims[wanted] = empty
        taking: NDArray[np.int64] = empty[self._claims[wanted] == empty]
        first, after = self._count, self._count + len(taking)
        self._slots[slots[taking]] = np.arange(first, after, dtype=np.int32)
        self._hashes[first:after] = hashes[taking]
        self._count = after
        return taking

    def _code_unlike(self, ids: pl.Series, codes: Codes, places: NDArray[np.int64]) -> None:
        """Give codes of their own to ids whose hash is that of another one, which is next to impossible."""
        for place in places.tolist():
            text = ids[place]
            if text not in self._unlike:
                self._make_room(1)
                self._unlike[text] = self._count
                self._texts = pl.concat([self._texts, pl.Series("id", [text], dtype=pl.String)], rechunk=True)
                self._count += 1
            codes[place] = self._unlike[text]

    def _make_room(self, rows: int) -> None:
        """Make the tables large enough for `rows` new ids; at least half of the slots stay empty."""
        most = self._count + rows
        if most > len(self._hashes):
            larger = np.zeros(max(most, 2 * len(self._hashes)), dtype=np.uint64)
            larger[: self._count] = self._hashes[: self._count]
            self._hashes = larger
        if 2 * most > len(self._slots):
            self._make_slots(1 << (2 * most - 1).bit_length())

    def _make_slots(self, size: int) -> None:
        """Make a larger table of slots with the codes of the one before."""
        codes = self._slots[self._slots >= 0]
        self._slots = np.full(size, -1, dtype=np.int32)
        self._claims = np.empty(size, dtype=np.int32)
        self._shift = np.uint64(64 - (size - 1).bit_length())
        slots = (self._hashes[codes] >> self._shift).view(np.int64)
        while len(codes):
            empty = self._slots[slots] < 0
            self._slots[slots[empty]] = codes[empty]
            others = np.flatnonzero(self._slots[slots] != codes)
            codes, slots = codes[others], (slots[others] + 1) & (size - 1)


def hash_ids(ids: pl.Series) -> NDArray[np.uint64]:
    """Return 64 bits of hash of each id, the same within a process."""
    hashes: NDArray[np.uint64] = ids.hash().to_numpy()
    return hashes
