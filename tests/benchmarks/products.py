"""Scores of a few users against all items: `score_items` beside one matrix product, processor milliseconds in turns.

python -m tests.benchmarks.products --items 30000 100000 1000000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from adrec_cli.ranking.products import score_items

WIDTHS, USERS = (64, 128), (1, 2, 4)


def compare(ways: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each way, after one round to warm up."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            started = time.thread_time()
            way()
            took[name].append(1000 * (time.thread_time() - started))
    return {name: float(np.median(some[1:])) for name, some in took.items()}


def main() -> None:
    """Print a row for each number of items, width and number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[30_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for items in options.items:
        for width in WIDTHS:
            items_VD = torch.randn(items + 1, width)[1:]
            for users in USERS:
                asked_BD, scores_BV = torch.randn(users, width), torch.empty(users, items)
                ways: dict[str, Callable[[], object]] = {
                    "matrix product": lambda b=asked_BD, v=items_VD, out=scores_BV: torch.mm(b, v.T, out=out),
                    "score_items": lambda b=asked_BD, v=items_VD, out=scores_BV: score_items(b, v, out),
                }
                told = ", ".join(f"{name} {ms:.2f} ms" for name, ms in compare(ways, rounds=options.rounds).items())
                print(f"{items:,} items of width {width}, {users} users: {told}", flush=True)


if __name__ == "__main__":
    main()
