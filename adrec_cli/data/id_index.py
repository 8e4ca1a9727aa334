"""Finds raw ids among millions without going through all of them each time."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.ids import as_ids, normal_forms

_FEW = 64
"""Ids that are looked for one time by going through all: cheaper than an index that nobody asks again."""


class IdIndex:
    """Rows of ids; asked a second time, or for many at once, it sorts their hashes, 16 bytes an id."""

    def __init__(self, ids: pl.Series) -> None:
        """Take all ids.

        Args:
            ids: text, none twice.
        """
        self._ids = ids
        self._was_asked = False

    def rows(self, asked: Sequence[str]) -> list[int | None]:
        """Return the row of each id: as it stands, else in normal form; None where it is known in neither."""
        texts = as_ids(asked)
        look = self._search if self._was_asked or len(texts) > _FEW else self._scan
        self._was_asked = True
        found = look(texts)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            found[unknown] = look(as_ids(normal_forms(texts.gather(unknown).to_list())))
        return [int(row) if row >= 0 else None for row in found]

    def _scan(self, texts: pl.Series) -> npt.NDArray[np.int64]:
        """Return rows of ids as they stand, -1 where there is none; all ids are gone through."""
        rows = self._ids.is_in(texts.implode()).arg_true()
        row_of = dict(zip(self._ids.gather(rows).to_list(), rows.to_list(), strict=True))
        return np.array([row_of.get(text, -1) for text in texts.to_list()], dtype=np.int64)

    def _search(self, texts: pl.Series) -> npt.NDArray[np.int64]:
        """Return what `_scan` does, from the sorted hashes."""
        hashes, rows = self._by_hash
        wanted = _hash(texts)
        found = np.full(len(texts), -1, dtype=np.int64)
        left, at = np.arange(len(texts)), np.searchsorted(hashes, wanted)
        while True:
            # Several ids may have one hash: they lie side by side.
            left, at = left[at < len(hashes)], at[at < len(hashes)]
            same = hashes[at] == wanted[left]
            left, at = left[same], at[same]
            if not len(left):
                return found
            # Indexing, as `gather` is an expression that is planned each time, and takes three times as long.
            equal = (self._ids[rows[at]] == texts[left]).to_numpy()
            found[left[equal]] = rows[at[equal]]
            left, at = left[~equal], at[~equal] + 1

    @functools.cached_property
    def _by_hash(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Hashes, ascending, and the row of each."""
        hashes = _hash(self._ids)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order


def _hash(ids: pl.Series) -> npt.NDArray[np.uint64]:
    # Of a frame's rows, which of one id takes half the time of `Series.hash`.
    return ids.to_frame().hash_rows().to_numpy()
