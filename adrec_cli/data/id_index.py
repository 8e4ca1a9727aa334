"""Finds raw ids among millions without going through all of them each time."""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.ids import as_ids, make_writable, normal_forms

_FEW = 64
_PASSED_MEANWHILE = 256
"""Ids that are looked up among the sorted ones, however few there are, and that are gone through in the time of one."""


class IdIndex:
    """Rows of ids; asked a second time for few of them, it sorts them, 4 bytes an id."""

    def __init__(self, ids: pl.Series) -> None:
        """Take all ids.

        Args:
            ids: text, none twice.
        """
        self._ids = ids
        self._was_asked = False

    def rows(self, asked: Sequence[str]) -> list[int | None]:
        """Return the row of each id: as it stands, else in normal form; None where it is known in neither."""
        texts = [make_writable(text) for text in asked]
        few = len(texts) <= max(_FEW, len(self._ids) // _PASSED_MEANWHILE)
        look = self._search if self._was_asked and few else self._scan
        self._was_asked = True
        found = look(texts)
        unknown = [place for place, row in enumerate(found) if row is None]
        if unknown:
            again = look(normal_forms([texts[place] for place in unknown]))
            for place, row in zip(unknown, again, strict=True):
                found[place] = row
        return found

    def _scan(self, texts: Sequence[str]) -> list[int | None]:
        """Return rows of ids as they stand, None where there is none; all ids are gone through."""
        rows = self._ids.is_in(as_ids(texts).implode()).arg_true()
        row_of = dict(zip(self._ids.gather(rows).to_list(), rows.to_list(), strict=True))
        return [row_of.get(text) for text in texts]

    def _search(self, texts: Sequence[str]) -> list[int | None]:
        """Return what `_scan` does, from the sorted ids; no thread is waited for, as any expression of Polars does."""
        order = self._order
        found: list[int | None] = []
        for text in texts:
            # Polars sorts by bytes of UTF-8, which is the order of code points, as Python's.
            place = bisect_left(order, text, key=self._at)
            row = int(order[place]) if place < len(order) else None
            found.append(row if row is not None and self._ids[row] == text else None)
        return found

    def _at(self, row: np.uint32) -> str:
        text: str = self._ids[int(row)]
        return text

    @functools.cached_property
    def _order(self) -> npt.NDArray[np.uint32]:
        """Rows in ascending order of their ids."""
        return self._ids.arg_sort().to_numpy()
