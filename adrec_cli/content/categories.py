"""Categories, brands and attributes: which of them an item has, brought down to few entries."""

from __future__ import annotations

import numpy as np
import polars as pl

from adrec_cli.content.state import Matrix, State, as_bytes, as_texts, count_components
from adrec_cli.data.cell_values import split_values
from adrec_cli.errors import InputError
from adrec_cli.wording import option

MOST_VALUES = 4_096
_ROWS_AT_ONCE = 8_192


def fit(columns: pl.DataFrame, most: int) -> State:
    """Learn the values, how rare they are, and the directions in which items differ most.

    Raises:
        InputError: no item has a value.
    """
    pairs = _item_values(columns)
    counts = pairs.group_by("value").len().sort(["len", "value"], descending=[True, False]).head(MOST_VALUES)
    if counts.is_empty():
        raise InputError(
            f"no item has a value in {', '.join(columns.columns)}",
            hint=f"name other columns: {option('encoder')} categories=category",
        )
    counts = counts.sort("value")
    weights = 1.0 + np.log(columns.height / counts["len"].to_numpy())
    state: State = {"values": as_bytes(counts["value"]), "weights": weights.astype(np.float32)}
    if counts.height <= most:
        return {**state, "components": np.eye(counts.height, dtype=np.float32)}
    return {**state, "components": _main_directions(columns, state, min(most, columns.height))}


def width(state: State) -> int:
    """Return how many entries a vector has; errors as `count_components`."""
    return count_components(state, "values", "weights")


def encode(columns: pl.DataFrame, state: State) -> Matrix:
    """Return a vector for each item; zeros where none of its values is known."""
    encoded = np.zeros((columns.height, len(state["components"])), dtype=np.float32)
    for start in range(0, columns.height, _ROWS_AT_ONCE):
        has = _which_values(columns.slice(start, _ROWS_AT_ONCE), state)
        encoded[start : start + len(has)] = has @ state["components"].T
    return encoded


def _main_directions(columns: pl.DataFrame, state: State, kept: int) -> Matrix:
    """Return the right singular vectors of the items' values, from their products: values are fewer than items."""
    count = len(state["weights"])
    products = np.zeros((count, count))
    for start in range(0, columns.height, _ROWS_AT_ONCE):
        has = _which_values(columns.slice(start, _ROWS_AT_ONCE), state).astype(np.float64)
        products += has.T @ has
    _, directions = np.linalg.eigh(products)
    components = directions[:, ::-1][:, :kept].T
    # Eigenvectors are known up to their sign: the largest entry is made positive.
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return np.ascontiguousarray((components * signs[:, None]).astype(np.float32))


def _which_values(columns: pl.DataFrame, state: State) -> Matrix:
    """Return for each item and value the value's weight, or 0."""
    values = as_texts(state["values"])
    numbers = pl.DataFrame({"value": values, "number": np.arange(len(values))}, schema_overrides={"value": pl.String})
    pairs = _item_values(columns).join(numbers, on="value", how="inner")
    has = np.zeros((columns.height, len(values)), dtype=np.float32)
    has[pairs["row"].to_numpy(), pairs["number"].to_numpy()] = state["weights"][pairs["number"].to_numpy()]
    return has


def _item_values(columns: pl.DataFrame) -> pl.DataFrame:
    """Return `row` and `value` of all values, each once an item; a value's column belongs to it."""
    found = [pl.DataFrame(schema={"row": pl.Int64, "value": pl.String})]
    for name in columns.columns:
        listed = split_values(columns[name]).alias("value").to_frame().with_row_index("row")
        listed = listed.explode("value").drop_nulls().with_columns(pl.col("row").cast(pl.Int64))
        value = pl.col("value").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
        listed = listed.with_columns(value).filter(value.str.len_chars() > 0)
        found.append(listed.with_columns((pl.lit(f"{name}=".replace("\n", " ")) + pl.col("value")).alias("value")))
    return pl.concat(found).unique().sort(["row", "value"])
