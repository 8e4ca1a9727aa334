"""What an index of items brings to whoever asks: one user's list with and without it, from the same promoted model.

python -m tests.benchmarks.bench_index                    # 200,000 items of width 64; some minutes
python -m tests.benchmarks.bench_index --items 1000000 --users 4000 --events 250

`adrec run --index always` trains SASRec for one epoch on a drawn log and promotes it; then users of the log are
answered one at a time, in turns with and without the index, by one thread. It prints and asserts nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.ranking.ranked import Ranked

NAME = "catalogue"
_CLUSTER, _STAYS = 400, 0.9
"""Items of a cluster, and how likely the next event is of the same one."""
_LISTS = (10, 100)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One list, and the processor seconds it took."""

    ranked: Ranked
    seconds: float


def write_log(path: Path, *, users: int, events: int, items: int, seed: int = 0) -> None:
    """Write users of equally many events who wander among clusters of items; every item occurs."""
    random = np.random.default_rng(seed)
    clusters = items // _CLUSTER
    moves_UL = random.random((users, events)) >= _STAYS
    moves_UL[:, 0] = True
    # Where somebody stays, the cluster is that of the last move.
    moved_at_UL = np.maximum.accumulate(np.where(moves_UL, np.arange(events), 0), axis=1)
    cluster_UL = np.take_along_axis(random.integers(0, clusters, moves_UL.shape), moved_at_UL, axis=1)
    item_UL = cluster_UL * _CLUSTER + (random.random(moves_UL.shape) ** 1.5 * _CLUSTER).astype(np.int64)
    item_UL.flat[random.permutation(item_UL.size)[:items]] = np.arange(items)
    columns = {
        "user_id": np.repeat(np.arange(users), events),
        "item_id": item_UL.reshape(-1),
        "timestamp": 1_700_000_000 + np.arange(item_UL.size),
    }
    pq.write_table(pa.table(columns), path)


def promote(log: Path, workspace: Path, *, width: int) -> None:
    """Train one epoch and promote the model with its index."""
    settings = {
        "model.hidden_size": width, "training.embedding_optimizer": '"rowwise_adagrad"',
        "training.monitor_users": 1_000, "stages.train.ranking_loss": '"sampled_softmax"',
    }  # fmt: skip
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    words = ["run", log, "--model", "sasrec", "--epochs", 1, *sets, "--min-interactions", 0, "--threads", 1]
    subprocess.run(
        [sys.executable, "-m", "adrec_cli", *map(str, words), "--index", "always", "--workspace", str(workspace)],
        check=True,
    )


def answer(recommender: Recommender, user: int, k: int) -> Answer:
    """Make one user's list as `serve` does."""
    bounds = recommender.sequences.offsets[user : user + 2]
    histories = Histories(items=recommender.sequences.items, starts=bounds[:1], ends=bounds[1:])
    started = time.process_time()
    lists, _ = recommender.rank(histories, k, include_seen=False, sampling=FAST_SAMPLING)
    return Answer(ranked=lists[0], seconds=time.process_time() - started)


def seconds_of_pass(recommender: Recommender, user: int) -> float:
    """Return the processor seconds of the model's pass alone, which no index shortens."""
    bounds = recommender.sequences.offsets[user : user + 2]
    scorer = recommender.scorer(FAST_SAMPLING)
    started = time.process_time()
    for _ in scorer.represent(recommender.sequences, bounds[:1], bounds[1:]):
        pass
    return time.process_time() - started


def compare(workspace: Path, *, calls: int) -> None:
    """Print what answers take and how much of the exact lists is found.

    Raises:
        RuntimeError: the index was not good enough to be used.
    """
    found, exact = (
        Opening(workspace=workspace, dataset_name=NAME, model=None, device="cpu", threads=1, exact=one).open()
        for one in (False, True)
    )
    if found.index is None:
        raise RuntimeError("the index found too little, so it is not used")
    users = np.random.default_rng(0).integers(0, found.sequences.users, calls + 20).tolist()
    passes = [1000 * seconds_of_pass(exact, user) for user in users][20:]
    print(f"{found.items.height:,} items, pool {found.index.pool}, torch on {torch.get_num_threads()} thread")
    print(f"the model's pass: {np.median(passes):.2f} ms")
    for k in _LISTS:
        pairs = [(answer(found, user, k), answer(exact, user, k)) for user in users][20:]
        took = 1000 * np.array([[one.seconds, other.seconds] for one, other in pairs])
        recall = np.mean([np.isin(other.ranked.items, one.ranked.items).mean() for one, other in pairs])
        with_index, without = np.median(took, axis=0)
        print(
            f"list of {k}: {with_index:.2f} ms with the index, {without:.2f} ms without, "
            f"{without / with_index:.1f} times as quick; recall {recall:.4f}"
        )


def main() -> None:
    """Write a log, promote, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=50, help="of each user; all together at least as many as items")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--workspace", type=Path, help="where to keep the model; one that is there is taken")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = options.workspace or Path(scratch) / "workspace"
        if not (workspace / NAME).is_dir():
            log = Path(scratch) / f"{NAME}.parquet"
            write_log(log, users=options.users, events=options.events, items=options.items)
            promote(log, workspace, width=options.width)
        compare(workspace, calls=options.calls)


if __name__ == "__main__":
    main()
