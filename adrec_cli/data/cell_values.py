"""The values of a cell of the item file: one text with "|" between them, or a list."""

from __future__ import annotations

from typing import Final

import polars as pl

SEPARATOR: Final = "|"
"""Between the values of one cell, as adrec writes lists of categories."""


def split_values(column: pl.Series) -> pl.Series:
    """Return a list of texts for each cell, without blanks around them; empty where nothing is said.

    Args:
        column: text such as "Comedy|Drama", lists, or anything that has a text.
    """
    if isinstance(column.dtype, (pl.List, pl.Array)):
        lists = column.cast(pl.List(pl.String), strict=False)
    else:
        lists = column.cast(pl.String, strict=False).str.split(SEPARATOR)
    value = pl.element().str.strip_chars()
    return lists.list.eval(value.filter(value.str.len_chars() > 0)).fill_null([])
