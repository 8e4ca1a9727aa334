"""Prices and other numbers, as which quantiles of the catalogue they reach: outliers count no more than others."""

from __future__ import annotations

import numpy as np
import polars as pl

from adrec_cli.content.state import Matrix, State, require_shape
from adrec_cli.errors import InputError
from adrec_cli.wording import option

QUANTILES = 16


def fit(columns: pl.DataFrame, most: int) -> State:
    """Learn the quantiles of each column; as many as the width leaves for each.

    Raises:
        InputError: a column has no number.
    """
    quantiles = max(2, min(QUANTILES, most // len(columns.columns) + 1))
    edges = [_edges(columns[name], quantiles) for name in columns.columns]
    numbers = np.repeat(np.arange(len(edges)), [len(one) for one in edges])
    return {"edges": np.concatenate(edges), "columns": numbers.astype(np.int64)}


def width(state: State) -> int:
    """Return how many entries a vector has.

    Raises:
        ValueError: what was learned does not fit together.
    """
    require_shape(state["edges"], (None,), "edges")
    require_shape(state["columns"], state["edges"].shape, "columns")
    return len(state["edges"])


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return 1 for each quantile that a number reaches and -1 for each above it; zeros where there is no number."""
    encoded = np.zeros((columns.height, len(state["edges"])), dtype=np.float32)
    for number, name in enumerate(columns.columns):
        at = np.flatnonzero(state["columns"] == number)
        values = as_numbers(columns[name]).to_numpy()[:, None]
        reached = np.where(values >= state["edges"][at], 1.0, -1.0)
        encoded[:, at] = np.where(np.isnan(values), 0.0, reached)
    return encoded


def as_numbers(column: pl.Series) -> pl.Series:
    """Return a column as floats, NaN where it is not a number; "$1,299.00" is one."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        bare = column.cast(pl.String, strict=False).str.strip_chars().str.replace(r"^\p{Sc}\s*|\s*\p{Sc}$", "")
        grouped = bare.str.contains(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$").fill_null(False)
        column = pl.select(pl.when(pl.lit(grouped)).then(pl.lit(bare.str.replace_all(",", ""))).otherwise(
            pl.lit(bare))).to_series()  # fmt: skip
    numbers = column.cast(pl.Float64, strict=False).fill_null(np.nan)
    return pl.select(pl.when(pl.lit(numbers.is_finite())).then(pl.lit(numbers)).otherwise(np.nan)).to_series()


def _edges(column: pl.Series, quantiles: int) -> Matrix:
    numbers = as_numbers(column).to_numpy()
    numbers = np.sort(numbers[~np.isnan(numbers)])
    if not len(numbers):
        raise InputError(
            f"column {column.name!r} has no number", hint=f"name another column: {option('encoder')} numbers=price"
        )
    # Numbers that occur, so that no rounding decides on which side one falls.
    places = np.arange(1, quantiles) * len(numbers) // quantiles
    edges = np.unique(numbers[places])
    inner: Matrix = edges[edges > numbers[0]]
    return inner if len(inner) else numbers[:1]
