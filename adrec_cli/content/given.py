"""Vectors that come from elsewhere, such as CLIP's or a sentence encoder's: they are taken as they are."""

from __future__ import annotations

import numpy as np
import polars as pl

from adrec_cli.content.state import Matrix, State, require_shape
from adrec_cli.errors import InputError
from adrec_cli.wording import say_count


def fit(columns: pl.DataFrame, most: int) -> State:
    """Record the width of vectors in the one column; `most` does not cut them.

    Raises:
        InputError: there is no vector.
    """
    known = columns.to_series().drop_nulls()
    if known.is_empty():
        raise InputError(f"no item has a vector in {known.name}", hint="check that its ids are those of the items")
    return {"width": np.array([len(known[0])], dtype=np.int64)}


def width(state: State) -> int:
    """Return how many entries a vector has.

    Raises:
        ValueError: what was recorded is not a width.
    """
    require_shape(state["width"], (1,), "width")
    return int(state["width"][0])


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return the vectors; zeros where an item has none.

    Raises:
        InputError: they are of another width.
    """
    column, expected = columns.to_series(), int(state["width"][0])
    encoded = np.zeros((columns.height, expected))
    known = column.is_not_null()
    if not known.any():
        return encoded
    vectors = np.array(column.drop_nulls().to_list())
    if vectors.ndim != 2 or vectors.shape[1] != expected:
        raise InputError(
            f"vectors of {column.name} have {say_count(vectors.shape[-1], 'entry', 'entries')}, expected {expected}",
            hint="give vectors of the encoder that was used before, or encode again",
        )
    encoded[known.to_numpy()] = vectors
    return encoded
