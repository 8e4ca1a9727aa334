"""Titles, categories and whatever else a file says about items, joined to the items that occur."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from adrec_cli.data.ids import id_values, no_id_type, normal_text
from adrec_cli.data.reading.bad_rows import bad_rows_error, drop_malformed
from adrec_cli.data.reading.recognition import Table
from adrec_cli.data.reading.roles import Column, find_column
from adrec_cli.data.reading.scanning import BLANK, OVERFLOW, scan
from adrec_cli.errors import InputError
from adrec_cli.schema import CATEGORY, COUNT, ITEM_ID, ITEM_INDEX, TITLE

_TITLES: Final = ("title", "name", "movietitle", "productname", "itemname", "appname", "artistname")
_CATEGORIES: Final = ("category", "categories", "genres", "genre", "class", "maincategory", "maincat", "tags")
_OURS: Final = (ITEM_INDEX, ITEM_ID, COUNT, TITLE, CATEGORY)


@dataclass(frozen=True, kw_only=True)
class MetadataColumns:
    """Which columns of an item file mean what; None looks for customary names.

    Attributes:
        item, title, category: a name, or a position from 1.
        category_flags: columns that hold 1 or 0; the names of those with 1 become the category.
        keep: other columns to keep; None keeps all.
    """

    item: Column | None = None
    title: Column | None = None
    category: Column | None = None
    category_flags: Sequence[str] = ()
    keep: Sequence[str] | None = None


def join_metadata(items: pl.DataFrame, metadata: pl.DataFrame, source: str) -> tuple[pl.DataFrame, list[str]]:
    """Add an item file's columns to the items, each once, nulls where the file is silent.

    Args:
        items: with `item_id`; its order stays.
        metadata: with `item_id`.
        source: name of the file, for the warnings.

    Returns:
        the items with more columns, and warnings (items without metadata, ids that come twice).
    """
    warnings = []
    twice = metadata.height - metadata[ITEM_ID].n_unique()
    if twice:
        metadata = metadata.unique(ITEM_ID, keep="first", maintain_order=True)
        warnings.append(f"{source}: {twice:,} rows repeat an item id, the first row of each counts")
    joined = items.join(metadata, on=ITEM_ID, how="left", maintain_order="left")
    silent = items.join(metadata, on=ITEM_ID, how="anti").height
    if silent:
        warnings.append(f"{source}: says nothing about {silent:,} of {items.height:,} items")
    return joined, warnings


def read_metadata(table: Table, columns: MetadataColumns, *, scratch: Path, keep_blanks: bool = False) -> pl.DataFrame:
    """Read an item file: `item_id` in normal form, `title` and `category` where known, the rest as it is.

    Raises:
        InputError: it has no column of item ids, or cannot be read.
    """
    item = find_column(table.columns, table.path, "item", columns.item, needed=True)
    if item is None:
        raise AssertionError("find_column raises where a needed column is missing")
    title = _find(table, columns.title, _TITLES)
    category = _find(table, columns.category, _CATEGORIES)
    flags = [table.columns.index(name) for name in columns.category_flags if name in table.columns]
    special = {position for position in (item, title, category, *flags) if position is not None}
    others = [
        position
        for position, name in enumerate(table.columns)
        if position not in special and (columns.keep is None or name in columns.keep)
    ]
    frame = _read(table, sorted({*special, *others}), scratch)
    picked = [pl.lit(_item_ids(frame, item, table, keep_blanks=keep_blanks)).alias(ITEM_ID)]
    if title is not None:
        picked.append(pl.col(f"c{title}").cast(pl.String).alias(TITLE))
    if flags:
        chosen = [pl.when(pl.col(f"c{flag}") == "1").then(pl.lit(table.columns[flag])) for flag in flags]
        picked.append(pl.concat_list(chosen).list.drop_nulls().list.join("|").alias(CATEGORY))
    elif category is not None:
        picked.append(_as_text(pl.col(f"c{category}"), frame.schema[f"c{category}"]).alias(CATEGORY))
    for position in others:
        name = table.columns[position]
        picked.append(pl.col(f"c{position}").alias(f"meta_{name}" if name in _OURS else name))
    metadata = frame.select(picked).filter(pl.col(ITEM_ID).is_not_null() & (pl.col(ITEM_ID) != ""))
    if table.layout == "jsonl" and CATEGORY in metadata.columns:
        flat = pl.Series(CATEGORY, [_flat(text) for text in metadata[CATEGORY].to_list()], dtype=pl.String)
        metadata = metadata.with_columns(flat)
    return metadata


def _read(table: Table, positions: Sequence[int], scratch: Path) -> pl.DataFrame:
    try:
        return _collect(table, positions)
    except InputError:
        if table.layout in ("parquet", "arrow"):
            raise
    clean, examples, count = drop_malformed(table, scratch)
    if count:
        raise bad_rows_error(examples, count)
    return _collect(clean, positions)


def _collect(table: Table, positions: Sequence[int]) -> pl.DataFrame:
    try:
        return scan(table, positions).drop(BLANK, OVERFLOW).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(f"{table.path} cannot be read as {table.layout}: {reason}", hint="fetch it again") from error


def _item_ids(frame: pl.DataFrame, position: int, table: Table, *, keep_blanks: bool) -> pl.Series:
    name = f"c{position}"
    if what := no_id_type(frame.schema[name]):
        raise InputError(
            f"{table.path}: the ids of items, column {table.columns[position]!r}, are {frame.schema[name]}, {what}",
            hint="name a column of text or numbers",
        )
    text = id_values(pl.col(name), frame.schema[name]).cast(pl.String)
    return frame.select(normal_text(text, keep_blanks=keep_blanks)).to_series()


def _flat(text: str | None) -> str | None:
    """Return a category that JSON writes as a list, perhaps of lists, as names separated by "|"."""
    if text is None or not text.startswith("["):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    names: list[str] = []
    pending = [value]
    while pending:
        entry = pending.pop(0)
        if isinstance(entry, list):
            pending = entry + pending
        else:
            names.append(str(entry))
    return "|".join(dict.fromkeys(names))


def _find(table: Table, asked: Column | None, names: tuple[str, ...]) -> int | None:
    if asked is not None:
        return find_column(table.columns, table.path, "item", asked, needed=True)
    plain = [re.sub(r"[^a-z]", "", name.lower().split(":")[0]) for name in table.columns]
    return next((plain.index(name) for name in names if name in plain), None)


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return column.list.eval(pl.element().cast(pl.String)).list.join("|", ignore_nulls=True)
    return column.cast(pl.String)
