"""Titles, categories and whatever else a file says about items, joined to the items that occur."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from adrec_cli.data.ids import id_values, no_id_type, normal_text
from adrec_cli.data.reading.bad_rows import bad_rows_error, drop_malformed
from adrec_cli.data.reading.item_columns import (
    ENOUGH,
    EventItems,
    ItemColumns,
    examples,
    find_item_columns,
    share_known,
)
from adrec_cli.data.reading.metadata_columns import MetadataColumns
from adrec_cli.data.reading.scanning import BLANK, OVERFLOW, scan
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.schema import BRAND, CATEGORY, COUNT, ITEM_ID, ITEM_INDEX, PRICE, TITLE
from adrec_cli.wording import command, option, say_count

_OURS: Final = (ITEM_INDEX, ITEM_ID, COUNT, TITLE, CATEGORY, BRAND, PRICE)


@dataclass(frozen=True, kw_only=True)
class ItemFile:
    """An item file as it was read.

    Attributes:
        path: where it is.
        metadata: `item_id` in normal form, `title`, `category`, `brand` and `price` where known, the rest as it is.
        columns: what the column of each of them is called in the file.
        named: whether the column of ids was named, not found.
        notes: what was assumed.
    """

    path: Path
    metadata: pl.DataFrame
    columns: dict[str, str]
    named: bool
    notes: list[str]

    def reading(self) -> dict[str, Any]:
        """Return what a manifest remembers of it."""
        return {"name": self.path.name, "columns": self.columns}


def require_match(file: ItemFile, ids: pl.Series, *, known: pl.Series | None) -> None:
    """Refuse an item file that knows less than half of the items, unless its column of ids was named and some match.

    Args:
        file: as read.
        ids: of the items it should know.
        known: ids of all items of a data set that is added to: a file of which half is about them is right too.

    Raises:
        InputError: it is about other items, or its ids are in another column.
    """
    found = file.metadata[ITEM_ID]
    share = share_known(ids, found)
    if share >= ENOUGH or (file.named and share) or (known is not None and share_known(found, known) >= ENOUGH):
        return
    name = file.columns[ITEM_ID]
    values = {
        file.columns.get(column, column): file.metadata[column].cast(pl.String) for column in file.metadata.columns
    }
    better = next((column for column in values if share_known(ids, values[column]) >= ENOUGH), None)
    if better is not None:
        hint = f"its column {better!r} matches: {option('items_column', better)}"
    elif share:
        hint = f"if it is right that it knows so few, say that these are the ids: {option('items_column', name)}"
    else:
        hint = (
            "check that it is about these items; if its ids are in another column, "
            f"name that with {option('items_column')}"
        )
    raise InputError(
        f"{file.path} knows {round(share * len(ids)):,} of {say_count(len(ids), 'item')} by its column {name!r}, "
        f"which has {examples(found)}; the events have {examples(ids)}",
        hint=hint,
    )


def join_metadata(items: pl.DataFrame, metadata: pl.DataFrame, source: str) -> tuple[pl.DataFrame, list[str]]:
    """Add an item file's columns to the items, each once, nulls where the file is silent.

    Args:
        items: with `item_id`; its order stays.
        metadata: with `item_id`.
        source: name of the file, for the warnings.

    Returns:
        the items with more columns, and warnings (items without metadata, ids that are repeated).
    """
    warnings = []
    twice = metadata.height - metadata[ITEM_ID].n_unique()
    if twice:
        metadata = metadata.unique(ITEM_ID, keep="first", maintain_order=True)
        warnings.append(f"{source}: item ids are repeated in {say_count(twice, 'row')}, the first row of each counts")
    joined = items.join(metadata, on=ITEM_ID, how="left", maintain_order="left")
    silent = items.join(metadata, on=ITEM_ID, how="anti").height
    if silent:
        warnings.append(f"{source}: says nothing about {silent:,} of {say_count(items.height, 'item')}")
    return joined, warnings


def read_item_file(
    table: Table, columns: MetadataColumns, events: EventItems, *, scratch: Path, keep_blanks: bool = False
) -> ItemFile:
    """Read an item file.

    Args:
        table: the recognised file.
        columns: as far as they are named.
        events: whose items it is about.
        scratch: folder for temporary copies.
        keep_blanks: blanks around ids belong to them.

    Raises:
        InputError: its column of item ids is missing or ambiguous, or it cannot be read.
    """
    if table.layout == "sequences":
        raise InputError(
            f"{table.path} is not a table of items: its lines are ids of one kind",
            hint=f"see: {command('preprocess', help=True)}",
        )

    def read_ids(position: int) -> pl.Series:
        return _item_ids(_read(table, [position], scratch), position, table, keep_blanks=keep_blanks)

    chosen = find_item_columns(table, columns, events, read_ids)
    every = sorted({chosen.item, *chosen.found.values(), *chosen.flags, *chosen.others})
    frame = _read(table, every, scratch)
    picked = [pl.lit(_item_ids(frame, chosen.item, table, keep_blanks=keep_blanks)).alias(ITEM_ID)]
    picked += [
        _as_text(pl.col(f"c{place}"), frame.schema[f"c{place}"]).alias(role) for role, place in chosen.found.items()
    ]
    if chosen.flags:
        flagged = [pl.when(pl.col(f"c{flag}") == "1").then(pl.lit(table.columns[flag])) for flag in chosen.flags]
        picked.append(pl.concat_list(flagged).list.drop_nulls().list.join("|").alias(CATEGORY))
    for position in chosen.others:
        name = table.columns[position]
        picked.append(pl.col(f"c{position}").alias(f"meta_{name}" if name in _OURS else name))
    metadata = frame.select(picked).filter(pl.col(ITEM_ID).is_not_null() & (pl.col(ITEM_ID) != ""))
    if table.layout == "jsonl" and CATEGORY in metadata.columns:
        flat = pl.Series(CATEGORY, [_flat(text) for text in metadata[CATEGORY].to_list()], dtype=pl.String)
        metadata = metadata.with_columns(flat)
    names = {role: table.columns[place] for role, place in {ITEM_ID: chosen.item, **chosen.found}.items()}
    return ItemFile(
        path=table.path, metadata=metadata, columns=names, named=chosen.named, notes=_notes(table, chosen, names)
    )  # fmt: skip


def _notes(table: Table, chosen: ItemColumns, names: Mapping[str, str]) -> list[str]:
    parts = ", ".join(f"{role} from {name!r}" for role, name in names.items() if role != ITEM_ID)
    notes = [f"{table.path.name}: ids of items from {names[ITEM_ID]!r} ({chosen.reason}){parts and ', '}{parts}"]
    if chosen.left_out:
        notes.append(f"{table.path.name}: columns of events are left out: {', '.join(chosen.left_out)}")
    if chosen.repeated:
        names_of_several = ", ".join(map(repr, chosen.repeated))
        notes.append(f"{table.path.name}: of columns with one name only the first is read: {names_of_several}")
    return notes


def _read(table: Table, positions: Sequence[int], scratch: Path) -> pl.DataFrame:
    try:
        return _collect(table, positions)
    except InputError:
        if table.layout in ("parquet", "arrow"):
            raise
    clean, shown, count = drop_malformed(table, scratch)
    if count:
        raise bad_rows_error(shown, count)
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


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.List):
        return column.list.eval(pl.element().cast(pl.String)).list.join("|", ignore_nulls=True)
    return column.cast(pl.String)
