"""Which encoder reads which column: as somebody says, or by what the columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from adrec_cli.content.encoders import ENCODERS
from adrec_cli.errors import InputError, UsageError, look_up
from adrec_cli.schema import BRAND, CATEGORY, COUNT, ITEM_ID, ITEM_INDEX, PRICE, TITLE, TRAIN_EVENTS
from adrec_cli.wording import option

_NO_CONTENT = (ITEM_INDEX, ITEM_ID, COUNT)
_KNOWN = {TITLE: "tfidf", CATEGORY: "categories", BRAND: "categories", PRICE: "numbers"}
_LONG_TEXT = 30
"""Characters that the cells of a column of prose have on average, at least."""
_SHARE_DISTINCT = 0.5
"""Of cells: a column whose cells differ more than this has no categories."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An encoder and the columns it is to read."""

    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} of {', '.join(self.columns)}"


def parse_choice(text: str, items: pl.DataFrame) -> Choice:
    """Read `tfidf=title,description`, or `tfidf` for the columns that it would get by itself, or `cooccurrence`.

    Raises:
        UsageError: an unknown encoder, no columns after the sign, or columns for one that reads none.
        InputError: no column is one for it.
    """
    name, sign, listed = text.partition("=")
    name = name.strip()
    look_up({key: key for key in ENCODERS if key != "vectors"}, name, "encoder")
    columns = tuple(dict.fromkeys(column.strip() for column in listed.split(",") if column.strip()))
    if name == "cooccurrence":
        if sign:
            raise UsageError(
                f"cooccurrence reads train events, no columns, got {listed!r}", hint=f"type {option('encoder', name)}"
            )
        return Choice(name=name, columns=(TRAIN_EVENTS,))
    if sign and not columns:
        raise UsageError(f"encoder {text!r} names no columns", hint=f"for example {name}=title")
    if columns:
        return Choice(name=name, columns=columns)
    alike = "tfidf" if name == "wordllama" else name
    found = next((choice.columns for choice in choose_encoders(items) if choice.name == alike), ())
    if not found:
        raise InputError(
            f"no column of the items looks like one for {name}",
            hint=f"name it: {option('encoder', name)}=COLUMN; available: {', '.join(content_columns(items)) or 'none'}",
        )
    return Choice(name=name, columns=found)


def choose_encoders(items: pl.DataFrame) -> list[Choice]:
    """Return encoders for the columns that say something, by their names and what they hold; [] for none."""
    by_encoder: dict[str, list[str]] = {}
    for column in content_columns(items):
        if name := _encoder_of(items[column]):
            by_encoder.setdefault(name, []).append(column)
    return [Choice(name=name, columns=tuple(by_encoder[name])) for name in ENCODERS if name in by_encoder]


def content_columns(items: pl.DataFrame) -> Sequence[str]:
    """Return the columns that say something of an item itself."""
    return [name for name in items.columns if name not in _NO_CONTENT]


def _encoder_of(column: pl.Series) -> str:
    """Return the encoder of a column, "" where none makes sense of it."""
    known = column.drop_nulls()
    if known.is_empty() or known.n_unique() < 2:
        return ""
    if column.name in _KNOWN:
        return _KNOWN[column.name]
    if isinstance(column.dtype, pl.List):
        return "categories" if column.dtype.inner == pl.String else ""
    if column.dtype.is_numeric():
        return "numbers"
    if column.dtype != pl.String:
        return "categories" if column.dtype == pl.Boolean else ""
    if float(known.str.len_chars().mean() or 0) >= _LONG_TEXT:  # type: ignore[arg-type]
        return "tfidf"
    return "categories" if known.n_unique() <= _SHARE_DISTINCT * len(known) else ""
