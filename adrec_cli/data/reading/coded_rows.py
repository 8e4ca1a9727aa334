"""A query collected batch by batch, its text ids coded on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from adrec_cli.data.coding import Codes
from adrec_cli.data.id_coder import IdCoder

_BATCH_ROWS: Final = 1 << 19


def collect_coded(query: pl.LazyFrame, ids: Sequence[str]) -> pl.DataFrame:
    """Collect a query; columns of ids that are text become categories.

    Args:
        query: whose rows keep their order.
        ids: columns of integers or text.

    Raises:
        PolarsError: it fails.
    """
    schema = query.collect_schema()
    coders = {name: IdCoder() for name in ids if schema[name] == pl.String}
    codes: dict[str, list[Codes]] = {name: [] for name in coders}
    rest = []
    for batch in _batches(query):
        for name, coder in coders.items():
            codes[name].append(coder.code(batch[name]))
        rest.append(batch.drop(coders))
    frame = pl.concat(rest, rechunk=True)
    del rest
    for name, coder in coders.items():
        joined = np.concatenate(codes.pop(name))
        frame = frame.with_columns(coder.ids.cast(pl.Categorical).gather(joined).alias(name))
    return frame


def _batches(query: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield at least one batch of a query's rows, in order."""
    collected = False
    for batch in query.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True, engine="streaming"):
        collected = True
        yield batch
    if not collected:
        yield pl.DataFrame(schema=query.collect_schema())
