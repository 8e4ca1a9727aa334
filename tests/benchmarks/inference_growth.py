"""How the cost of inference grows with histories, items and users: random weights, drawn data; prints, asserts nothing.

python -m tests.benchmarks.inference_growth [--threads 1] [--users 2000]

Each row ranks all users once at one step of zero noise and, with --all-steps, at 32 seeded ones.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import polars as pl
import torch

from adrec_cli.data.sequences import Sequences
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.scorer import Scorer
from tests.benchmarks.speed import CPU, made

LENGTHS, ITEMS = (20, 50, 100, 200), (5_000, 50_000, 200_000, 1_000_000)


def full_histories(*, users: int, items: int, length: int) -> Sequences:
    """Everybody has a history of just this length before the target."""
    events = np.random.default_rng(0).integers(1, items + 1, size=users * (length + 1)).astype(np.int32)
    lengths = np.full(users, length + 1)
    return Sequences(
        user_ids=pl.Series([str(user) for user in range(users)]), items=events,
        offsets=np.arange(users + 1) * (length + 1), train_end=lengths - 2, valid_end=lengths - 1, item_count=items,
    )  # fmt: skip


def row(*, users: int, items: int, length: int, samplings: list[Sampling]) -> None:
    """Measure and print one row."""
    sequences = full_histories(users=users, items=items, length=length)
    model = made(ADRecConfig(max_length=length), items).eval()
    cases = select_cases(sequences, "test")
    times = []
    for sampling in samplings:
        started = time.process_time(), time.perf_counter()
        target_ranks(Scorer(model=model, output="x_start", sampling=sampling, device=CPU), sequences, cases)
        times.append((time.process_time() - started[0], time.perf_counter() - started[1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    shown = "   ".join(f"{1000 * cpu / users:7.3f} {1000 * wall / users:7.3f}" for cpu, wall in times)
    print(f"{users:7,} {items:9,} {length:4}   {shown}   {peak:5.2f} GiB so far", flush=True)


def main() -> None:
    """Print three tables, each growing in one direction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--all-steps", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    samplings = [FAST_SAMPLING, *([Sampling()] if options.all_steps else [])]
    print("  users     items    L   ms of CPU and of wall time a user" + ("; the same at 32 steps" * options.all_steps))
    for length in LENGTHS:
        row(users=options.users, items=5_000, length=length, samplings=samplings)
    for items in ITEMS:
        row(users=max(options.users // 4, 1), items=items, length=20, samplings=samplings[:1])
    row(users=10 * options.users, items=5_000, length=20, samplings=samplings[:1])


if __name__ == "__main__":
    main()
