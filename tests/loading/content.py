"""A data set whose items are others than its files hold."""

from __future__ import annotations

import dataclasses

import polars as pl

from adrec_cli.loading.opening import Content, Dataset


def with_items(dataset: Dataset, items: pl.DataFrame) -> Dataset:
    """Return a data set with other items."""
    content = Content(items=items, sequences=dataset.sequences)
    return dataclasses.replace(dataset, read=lambda: content)
