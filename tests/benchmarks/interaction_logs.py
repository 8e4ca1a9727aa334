"""Generated interaction logs of any size: Zipf items, a long tail of users, times over two years."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

CHUNK_ROWS = 5_000_000
START = 1_600_000_000
SPAN = 2 * 365 * 86_400


def generate_log(path: Path, rows: int, *, users: int, items: int, seed: int = 1) -> Path:
    """Write a log as CSV or Parquet after the ending of `path`, in chunks.

    Args:
        path: `.csv` (text ids such as "u0000042") or `.parquet` (the same ids).
        rows: interactions.
        users: they draw from; activity is log-normal.
        items: they draw from; popularity is Zipf with exponent 1.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    user_weight = np.cumsum(rng.lognormal(0, 1, users))
    item_weight = np.cumsum(1 / np.arange(1, items + 1))
    names = rng.permutation(items)
    writer: pq.ParquetWriter | None = None
    for first in range(0, rows, CHUNK_ROWS):
        size = min(CHUNK_ROWS, rows - first)
        user = np.searchsorted(user_weight, rng.random(size) * user_weight[-1])
        item = names[np.searchsorted(item_weight, rng.random(size) * item_weight[-1])]
        # A log is written as time goes on.
        time = START + (SPAN * (first + np.arange(size)) // rows)
        frame = pl.DataFrame({"user_id": user, "item_id": item, "timestamp": time}).with_columns(
            pl.format("u{}", pl.col("user_id").cast(pl.String).str.zfill(8)).alias("user_id"),
            pl.format("i{}", pl.col("item_id").cast(pl.String).str.zfill(7)).alias("item_id"),
        )
        if path.suffix == ".csv":
            with open(path, "ab" if first else "wb") as file:
                frame.write_csv(file, include_header=first == 0)
            continue
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=1_000_000)
    if writer is not None:
        writer.close()
    return path
