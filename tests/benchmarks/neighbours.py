"""A log of a large catalogue, whose popularity is Zipf's, to encode items by their neighbours.

python -m tests.benchmarks.neighbours log.parquet      # 1,000,000 items, 20,000,000 events of 2,000,000 users
adrec preprocess log.parquet && adrec encode log --encoder cooccurrence
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl


def write_log(path: Path, *, items: int, events: int, users: int, seed: int = 1) -> None:
    """Write events in the order of their times; every item occurs."""
    random = np.random.default_rng(seed)
    shares = np.cumsum(1 / np.arange(1, items + 1))
    drawn = np.searchsorted(shares / shares[-1], random.random(events - items)).clip(max=items - 1)
    item = np.concatenate([np.arange(items), drawn])
    random.shuffle(item)
    table = {
        "user_id": random.integers(0, users, events),
        "item_id": item,
        "timestamp": 1_600_000_000 + np.arange(events),
    }
    pl.DataFrame(table).write_parquet(path)


def main() -> None:
    """Write a log of the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    for name, usual in (("items", 1_000_000), ("events", 20_000_000), ("users", 2_000_000)):
        parser.add_argument(f"--{name}", type=lambda text: int(float(text)), default=usual)
    options = parser.parse_args()
    write_log(options.path, items=options.items, events=options.events, users=options.users)


if __name__ == "__main__":
    main()
