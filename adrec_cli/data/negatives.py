"""Reads negatives in ReChorus's form: one row per user with the target and the items it is ranked against."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.ids import spell_as_known
from adrec_cli.data.reading.list_cells import parse_list
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID, ITEM_INDEX, NEGATIVES, USER_ID
from adrec_cli.wording import option

_ONE_ROW: Final = f"one row per user: {USER_ID}, {ITEM_ID} (the target), {NEGATIVES} such as [1, 2, 3]"


def read_negatives(
    path: Path, *, user_ids: list[str], targets: npt.NDArray[np.int64], items: pl.DataFrame
) -> npt.NDArray[np.int64]:
    """Return the negatives of each case.

    Args:
        path: Parquet, or text with tabs or commas between its columns and lists written as [1, 2, 3]; columns user_id,
            item_id, neg_items.
        user_ids: raw id of the user of each case.
        targets: item index of each case, which must be the file's item_id.
        items: of the dataset.

    Returns:
        (cases, n) item indices.

    Raises:
        InputError: a column, a user or an item is missing, a user has several rows that differ, lists differ in length,
            or the targets are others.
    """
    table = _read(path)
    index_of = dict(zip(items[ITEM_ID].to_list(), items[ITEM_INDEX].to_list(), strict=True))
    table = _in_known_form(table, pl.Series(user_ids, dtype=pl.String), items[ITEM_ID])
    table = table.unique(maintain_order=True)
    twice = table[USER_ID].filter(table[USER_ID].is_duplicated())
    if not twice.is_empty():
        raise InputError(f"{path}: user {twice[0]!r} has several rows, expected one", hint=_ONE_ROW)
    rows = {row[0]: row[1:] for row in table.iter_rows()}
    negatives = []
    for user_id, target in zip(user_ids, targets.tolist(), strict=True):
        if user_id not in rows:
            raise InputError(f"{path}: user {user_id!r} has no row", hint="the file must cover every ranked user")
        file_target, candidates = rows[user_id]
        if index_of.get(file_target) != target:
            raise InputError(
                f"{path}: the target of user {user_id!r} is {file_target!r} there, another item in this dataset",
                hint="preprocess with the same split and order of ties as the file (for ReChorus: "
                f"{option('ties', 'item')})",
            )
        try:
            # Millions of items: a function of ours for each would take a quarter of the time.
            negatives.append(list(map(index_of.__getitem__, candidates)))
        except KeyError as error:
            raise InputError(
                f"{path}: negative {error.args[0]!r} of user {user_id!r} is not among the dataset's items",
                hint="take negatives from the ids in items.parquet",
            ) from None
    lengths = {len(candidates) for candidates in negatives}
    if len(lengths) != 1:
        raise InputError(
            f"{path}: users have different numbers of negatives: {sorted(lengths)}", hint="give each user as many"
        )
    return np.array(negatives, dtype=np.int64)


def count_negatives(path: Path) -> int:
    """Return how many negatives a file has for its first user; `read_negatives` checks the others.

    Raises:
        InputError: missing, empty or not readable.
    """
    lists = _read(path)[NEGATIVES]
    if lists.is_empty():
        raise InputError(f"{path}: no user has negatives", hint=_ONE_ROW)
    return len(lists[0])


def _in_known_form(table: pl.DataFrame, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """Write the ids of the file as the data set writes them."""
    distinct = pl.concat([table[ITEM_ID], table[NEGATIVES].explode()]).drop_nulls().unique()
    forms = spell_as_known(distinct, items)
    listed = pl.col(NEGATIVES).list.eval(pl.element().replace(distinct, forms))
    return table.with_columns(spell_as_known(table[USER_ID], users), pl.col(ITEM_ID).replace(distinct, forms), listed)


def _read(path: Path) -> pl.DataFrame:
    """Return columns user_id, item_id as text and neg_items as lists of text."""
    require_regular_file(path)
    if not path.is_file():
        raise InputError(f"negatives file {path} does not exist", hint=f"check {option('negatives')}")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(literal(path))
        else:
            table = pl.read_csv(literal(path), separator=_find_separator(path), infer_schema=False)
        missing = {USER_ID, ITEM_ID, NEGATIVES} - set(table.columns)
        if missing:
            raise InputError(
                f"{path}: column {sorted(missing)[0]} is missing; found {', '.join(table.columns)}", hint=_ONE_ROW
            )
        if table[NEGATIVES].null_count():
            raise InputError(f"{path}: a row has no {NEGATIVES}", hint=_ONE_ROW)
        if table.schema[NEGATIVES] == pl.String:
            table = table.with_columns(pl.Series(NEGATIVES, [_parse(path, text) for text in table[NEGATIVES]]))
        return table.select(
            pl.col(USER_ID).cast(pl.String), pl.col(ITEM_ID).cast(pl.String), pl.col(NEGATIVES).cast(pl.List(pl.String))
        )
    except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not readable as negatives: {str(error).splitlines()[0]}", hint=_ONE_ROW) from error


def _find_separator(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return "\t" if "\t" in (header := file.readline()) or "," not in header else ","


def _parse(path: Path, text: str) -> list[str]:
    found = parse_list(text)
    if found is None or None in found:
        raise InputError(f"{path}: expected a list of items in {NEGATIVES}, got {text[:80]!r}", hint=_ONE_ROW)
    return [item for item in found if item is not None]
