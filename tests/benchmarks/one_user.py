"""Latency of recommending to one user after loading: p50 and p99 of single calls; prints, asserts nothing.

python -m tests.benchmarks.one_user workspace/grocery --calls 1000 --steps 1
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from adrec_cli import load_recommender
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling


def latencies(folder: str, *, calls: int, steps: int | None, threads: int | None) -> np.ndarray:
    """Milliseconds of each call, for users drawn at random, after some to warm up."""
    recommender = load_recommender(folder, threads=threads)
    users = recommender.recommender.sequences.user_ids
    drawn = np.random.default_rng(0).integers(0, len(users), size=calls + 50)
    sampling = FAST_SAMPLING if steps == 1 else Sampling(steps=steps)
    milliseconds = []
    for user in drawn.tolist():
        started = time.perf_counter()
        recommender.recommend(user=users[user], k=10, sampling=sampling)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return np.array(milliseconds[50:])


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    found = latencies(options.folder, calls=options.calls, steps=options.steps, threads=options.threads)
    p50, p99 = np.percentile(found, [50, 99])
    print(f"{torch.get_num_threads()} threads, {len(found)} calls: p50 {p50:.2f} ms, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
