"""Latency of recommending to one user after loading: p50 and p99 of single calls; prints, asserts nothing.

python -m tests.benchmarks.one_user workspace/grocery --calls 1000 --steps 1

Beside wall time it prints processor time, which other programs disturb less, and that of the product with all item
vectors alone, taken in turns: less than that no exhaustive search can take.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from adrec_cli import load_recommender
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.products import score_items


def latencies(folder: str, *, calls: int, steps: int | None, threads: int | None) -> np.ndarray:
    """Milliseconds (calls, 3) for users drawn at random, after some to warm up: wall, processor, product alone."""
    recommender = load_recommender(folder, threads=threads)
    users = recommender.recommender.sequences.user_ids
    drawn = np.random.default_rng(0).integers(0, len(users), size=calls + 50)
    sampling = FAST_SAMPLING if steps == 1 else Sampling(steps=steps)
    items_VD = recommender.recommender.scorer(sampling).vectors_VD[1:]
    one_1D, scores_1V = items_VD[:1].clone(), torch.empty(1, len(items_VD))
    milliseconds = []
    for user in drawn.tolist():
        started, worked = time.perf_counter(), time.process_time()
        recommender.recommend(user=users[user], k=10, sampling=sampling)
        called, computed = time.perf_counter(), time.process_time()
        score_items(one_1D, items_VD, scores_1V)
        ended = time.process_time()
        milliseconds.append((1000 * (called - started), 1000 * (computed - worked), 1000 * (ended - computed)))
    return np.array(milliseconds[50:])


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    found = latencies(options.folder, calls=options.calls, steps=options.steps, threads=options.threads)
    told = [
        f"{what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms"
        for what, (p50, p99) in zip(
            ("wall", "processor", "the product alone"), np.percentile(found, [50, 99], axis=0).T, strict=True
        )
    ]
    print(f"{torch.get_num_threads()} threads, {len(found)} calls", *told, sep="; ")


if __name__ == "__main__":
    main()
