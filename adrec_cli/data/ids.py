"""The one form of an id, wherever ids come in: sources, item files, requests, negatives."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final

import polars as pl

from adrec_cli.data.coding import distinct_categories

MISSING: Final = ("", "nan", "NaN", "NAN", "null", "NULL", "Null", "None", "<NA>", "NaT", "\\N")
"""What programs write where there is no id. "NA", "N/A", "none", "nil" and "-" are ids: people and countries have them.
"""
MOST_EXACT_FLOAT: Final = 1 << 53
"""Beyond it two whole numbers may be the same float of 64 bits."""
SHORT_FLOATS: Final = {"Float16": 1 << 11, "Float32": 1 << 24}
"""The same for shorter floats, by the name of their type."""

_WHOLE_FLOAT: Final = r"^(-?\d+)\.0+$"
_LIST: Final = r"""(?s)^\[(\s*|\s*(['"]|-?\d).*|.*,.*)\]$"""
_OBJECT: Final = r"""(?s)^\{(\s*|\s*['"].*:.*)\}$"""
_ROUNDED: Final = r"^-?\d[.,]\d+[eE]\+?\d+$"
# Whatever is not in normal form matches this, and few ids that are: it saves looking closely at the rest.
_PERHAPS_ODD: Final = r"^(?:\s|[\[{]|-?\d+\.|-?\d,\d+[eE]|(?i:nan|null|none|<na>|nat|\\n)$|$)|\s$"
# What is not an id, and what should stand there instead.
_NO_IDS: Final = (
    (_LIST, "one id, not a list of them"),
    (_OBJECT, "one id, not an object"),
    (_ROUNDED, "an id with all its digits"),
)


@dataclass(frozen=True, kw_only=True)
class NormalIds:
    """A column of ids in normal form.

    Attributes:
        column: integers or categories; null where there is no id.
        stripped: rows whose id had blanks around it.
        whole: rows whose id was written as a whole float, 17.0.
    """

    column: pl.Series
    stripped: int = 0
    whole: int = 0


def no_id_type(dtype: pl.DataType) -> str:
    """Return why a column of this type holds no ids, "" if it may."""
    if dtype.is_nested():
        return "lists or objects"
    if dtype == pl.Boolean:
        return "only true and false"
    if dtype.is_temporal() and dtype != pl.Date:
        return "times"
    return "Python objects" if dtype == pl.Object else ""


def id_values(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return ids of any type as integers or text, not yet in normal form.

    Args:
        column: of a type that `no_id_type` has nothing against.
        dtype: its type. Floats become whole numbers, null where they are none; decimals and dates become their text.
    """
    if dtype.is_integer():
        return column
    if dtype.is_float():
        whole = (column == column.floor()) & (column.abs() < SHORT_FLOATS.get(str(dtype), MOST_EXACT_FLOAT))
        return pl.when(whole).then(column).cast(pl.Int64, strict=False)
    return column.cast(pl.String)


def normal_ids(column: pl.Series, *, keep_blanks: bool = False) -> NormalIds:
    """Bring a column of ids into normal form; the work is done once for each distinct id.

    Args:
        column: integers or categories.
        keep_blanks: blanks around an id belong to it.
    """
    if column.dtype.is_integer():
        return NormalIds(column=column)
    given = pl.col("given")
    there = column.drop_nulls() if column.null_count() else column
    distinct = distinct_categories(there).alias("given").to_frame()
    distinct = distinct.with_columns(text=given.cast(pl.String))
    if not distinct["text"].str.contains(_PERHAPS_ODD).any():
        return NormalIds(column=column)
    distinct = distinct.with_columns(normal=normal_text(pl.col("text"), keep_blanks=keep_blanks))
    changed = distinct.filter(pl.col("normal").is_null() | (pl.col("normal") != pl.col("text")))
    if changed.is_empty():
        return NormalIds(column=column)
    bare = pl.col("text").str.strip_chars()
    is_id = pl.col("normal").is_not_null()
    table = distinct.select(
        given,
        pl.col("normal").cast(pl.Categorical),
        stripped=is_id & (bare != pl.col("text")) & (not keep_blanks),
        whole=is_id & bare.str.contains(_WHOLE_FLOAT),
    )
    rows = column.alias("given").to_frame().join(table, on="given", how="left", maintain_order="left")
    sums = rows.select(pl.col("stripped", "whole").sum()).row(0)
    return NormalIds(column=rows["normal"].alias(column.name), stripped=sums[0] or 0, whole=sums[1] or 0)


def normal_text(text: pl.Expr, *, keep_blanks: bool = False) -> pl.Expr:
    """Return the normal form of ids given as text: no blanks around, 17 for 17.0, null for what is not an id."""
    bare = text.str.strip_chars()
    none = bare.is_in(MISSING)
    for pattern, _ in _NO_IDS:
        none = none | bare.str.contains(pattern)
    kept = text if keep_blanks else bare
    return pl.when(~none).then(kept.str.replace(_WHOLE_FLOAT, "${1}"))


def normal_id(text: str, *, keep_blanks: bool = False) -> str | None:
    """Return one id in normal form, None if it is none."""
    normal = as_ids([text]).to_frame().select(normal_text(pl.col("id"), keep_blanks=keep_blanks)).to_series().to_list()
    return str(normal[0]) if normal[0] is not None else None


def describe_expected_id(text: str, what: str) -> str:
    """Return what should stand in place of a text that is not an id.

    Args:
        text: as it stands.
        what: the id is of, "a user" or "an item".
    """
    ids = as_ids([text.strip()]).to_frame()
    for pattern, expected in _NO_IDS:
        if ids.select(pl.col("id").str.contains(pattern)).to_series().any():
            return f"the id of {what}: {expected}"
    if re.fullmatch(_WHOLE_FLOAT, text.strip()):
        return f"the id of {what}: one that is no float, which rounds numbers of this size"
    return f"the id of {what}"


def normal_forms(texts: Sequence[str]) -> list[str]:
    """Return ids that somebody asks for in normal form; what is not an id stays as it is."""
    ids = as_ids(texts).to_frame()
    return ids.select(pl.coalesce(normal_text(pl.col("id")), pl.col("id"))).to_series().to_list()


def spell_as_known(asked: pl.Series, known: pl.Series) -> pl.Series:
    """Return the ids that somebody asks for as a data set writes them: as they stand where it knows them so.

    Args:
        asked: text.
        known: the ids of the data set, which may have kept blanks.
    """
    distinct = asked.unique().drop_nulls()
    unknown = distinct.filter(~distinct.is_in(known.implode()))
    return asked.replace(unknown, pl.Series(normal_forms(unknown.to_list()), dtype=pl.String))


def json_id(value: Any) -> str | None:
    """Return the text of an id that JSON, or NumPy, has as text or whole number, also as 17.0; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return (
            str(int(value)) if math.isfinite(value) and value.is_integer() and abs(value) < MOST_EXACT_FLOAT else None
        )
    return str(value) if isinstance(value, str | Integral) else None


def as_ids(texts: Sequence[str]) -> pl.Series:
    """Return texts that somebody asks for as a column `id`."""
    return pl.Series("id", [make_writable(text) for text in texts], dtype=pl.String)


def make_writable(text: str) -> str:
    """Return a text that somebody asks for as UTF-8 can hold it.

    Half of a surrogate pair, which JSON may hold, cannot be written, and no id of a data set has one.
    """
    return text.encode(errors="replace").decode()
