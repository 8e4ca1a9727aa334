"""The items that a choice leaves: those of a file, of categories, bought often enough, and not excluded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.audience_files import read_ids
from adrec_cli.data.cell_values import split_values
from adrec_cli.data.id_index import IdIndex
from adrec_cli.data.sequences import item_indices
from adrec_cli.errors import InputError
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID
from adrec_cli.wording import command, inflect, option, say_count


def choose_items(
    items: pl.DataFrame, *, candidates: Path | None, excluded: Path | None, categories: tuple[str, ...], min_count: int
) -> tuple[npt.NDArray[np.int64] | None, list[str]]:
    """Return the indices of the chosen items, ascending, and the ids of the files that no item has.

    Args:
        items: that the model knows.
        candidates, excluded, categories, min_count: as in `ItemChoice`.

    Returns:
        None in place of indices where every item may come back.

    Raises:
        InputError: a file cannot be read, a category is unknown, or no item is left.
    """
    allowed = np.ones(items.height, dtype=bool)
    unknown: list[str] = []
    for path, wanted in ((candidates, True), (excluded, False)):
        if path is not None:
            named, missing = _find_named(items, path)
            if wanted and missing and not named.any():
                some = ", ".join(items[ITEM_ID].head(3).to_list())
                raise InputError(
                    f"none of {inflect(len(missing), '', 'the ')}{say_count(len(missing), 'candidate')} "
                    f"of {path} is known, for example {missing[0]!r}",
                    hint=f"ids are those of the source data, for example: {some}",
                )
            allowed &= named if wanted else ~named
            unknown += missing
    if categories:
        allowed &= _belong_to(categories, items)
    if min_count:
        allowed &= items[COUNT].to_numpy() >= min_count
    if allowed.all():
        return None, unknown
    if not allowed.any():
        raise InputError(
            "no item is left that may be recommended", hint=f"relax the candidates, or {option('min_count')}"
        )
    return np.flatnonzero(allowed).astype(np.int64) + 1, unknown


def _belong_to(categories: tuple[str, ...], items: pl.DataFrame) -> npt.NDArray[np.bool_]:
    if CATEGORY not in items.columns:
        raise InputError(
            "no categories are known",
            hint=f"give an item file with them: {command('preprocess', 'SOURCE', items='FILE')}",
        )
    lists = split_values(items[CATEGORY])
    known = set(lists.explode().drop_nulls().to_list())
    if missing := [name for name in categories if name not in known]:
        some = ", ".join(sorted(known)[:10])
        raise InputError(f"unknown category {missing[0]!r}", hint=f"available: {some}{', ...' * (len(known) > 10)}")
    wanted = pl.Series(list(categories), dtype=pl.String)
    chosen = lists.to_frame().select(pl.col(CATEGORY).list.eval(pl.element().is_in(wanted.implode())).list.any())
    return chosen.to_series().fill_null(False).to_numpy()


def _find_named(items: pl.DataFrame, path: Path) -> tuple[npt.NDArray[np.bool_], list[str]]:
    ids = read_ids(path, ITEM_ID).to_list()
    indices = item_indices(IdIndex(items[ITEM_ID]), ids)
    named = np.zeros(items.height, dtype=bool)
    named[np.array([index for index in indices if index is not None], dtype=np.int64) - 1] = True
    return named, [item for item, index in zip(ids, indices, strict=True) if index is None]
