"""Which items an answer may hold, as a question says it: the same choice as a batch's, from dictionaries made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.cell_values import split_values
from adrec_cli.data.ids import normal_forms
from adrec_cli.errors import InputError
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What may come back; questions with the same choice are answered together.

    Attributes:
        candidates: raw item ids, which alone may; None for all.
        exclude: raw item ids that may not.
        categories: an item needs one of them; empty for all.
        min_count: train events an item needs.
    """

    candidates: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    min_count: int = 0


ALL_ITEMS = Choice()


class Catalogue:
    """The items of a model, looked up by id and by category."""

    def __init__(self, items: pl.DataFrame) -> None:
        self._index: dict[str, int] = {item: number for number, item in enumerate(items[ITEM_ID].to_list(), start=1)}
        self._counts = items[COUNT].to_numpy()
        self._of_category = _numbers_by_category(items)

    def numbers(self, ids: Sequence[str]) -> list[int]:
        """Return the item number from 1 of each raw id, 0 where it is unknown in any form."""
        unknown = [item for item in ids if item not in self._index]
        forms = dict(zip(unknown, normal_forms(unknown), strict=True)) if unknown else {}
        return [self._index.get(forms.get(item, item), 0) for item in ids]

    def find_allowed(self, choice: Choice) -> tuple[npt.NDArray[np.int64] | None, list[str]]:
        """Return the numbers of the chosen items, ascending, and the ids of the question that no item has.

        Returns:
            None in place of numbers where every item may come back.

        Raises:
            InputError: a category is unknown, or no item is left.
        """
        allowed = np.ones(len(self._counts), dtype=bool)
        unknown: list[str] = []
        for ids, wanted in ((choice.candidates, True), (choice.exclude or None, False)):
            if ids is not None:
                named = np.zeros(len(allowed), dtype=bool)
                numbers = self.numbers(ids)
                named[[number - 1 for number in numbers if number]] = True
                if wanted and not named.any():
                    raise InputError("none of the candidates is known", hint="ids are those of the source data")
                allowed &= named if wanted else ~named
                unknown += [item for item, number in zip(ids, numbers, strict=True) if not number]
        if choice.categories:
            allowed &= self._in_categories(choice.categories)
        if choice.min_count:
            allowed &= self._counts >= choice.min_count
        if allowed.all():
            return None, unknown
        if not allowed.any():
            raise InputError("no item is left that may be recommended", hint="relax candidates, category or min_count")
        return np.flatnonzero(allowed).astype(np.int64) + 1, unknown

    def _in_categories(self, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        chosen = np.zeros(len(self._counts), dtype=bool)
        for name in names:
            if name not in self._of_category:
                raise InputError(f"unknown category {name[:100]!r}", hint="categories are those of the item file")
            chosen[self._of_category[name] - 1] = True
        return chosen


def _numbers_by_category(items: pl.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    if CATEGORY not in items.columns:
        return {}
    numbered = items.select(split_values(items[CATEGORY]), number=pl.int_range(1, items.height + 1))
    pairs = numbered.explode(CATEGORY).drop_nulls(CATEGORY).group_by(CATEGORY).agg("number")
    return {name: np.array(numbers, dtype=np.int64) for name, numbers in pairs.iter_rows()}
