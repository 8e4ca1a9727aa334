"""Several samples and temperatures of one checkpoint: what they do to accuracy, diversity and coverage.

    python -m tests.benchmarks.samples finetune --workspace workspace --dataset grocery --users 4000 --samples 1 4 8 \\
        --temperatures 0 1 2

Test targets of users drawn at random, against the whole catalogue, items of the history competing, as `adrec evaluate`.
Diversity is the mean over lists of 1 - cosine of two items' sets of train users, which no model has a say in; overlap
is the share of the ten best items that the list without noise has too. Differences are to that list, with a 95%
interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.loading.opening import Dataset, open_checkpoint, open_dataset, restore_model
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.bootstrap import bootstrap_interval
from adrec_cli.ranking.merging import merge_top_k
from adrec_cli.ranking.metrics import hit_rate, ndcg
from adrec_cli.ranking.protocols import Cases, select_cases
from adrec_cli.ranking.samples import MERGES, Merging
from adrec_cli.ranking.scorer import Scorer

K = 10
Lists = npt.NDArray[np.int64]


def train_users(dataset: Dataset) -> list[set[int]]:
    """Return the users who have each item in train, by item index."""
    sequences = dataset.sequences
    users: list[set[int]] = [set() for _ in range(dataset.items.height + 1)]
    for user in range(sequences.users):
        start = sequences.offsets[user]
        for item in sequences.items[start : start + sequences.train_end[user]].tolist():
            users[item].add(user)
    return users


def diversity(items: list[int], users: list[set[int]]) -> float:
    """Return the mean of 1 - cosine over the pairs of a list."""
    pairs = [(users[a], users[b]) for n, a in enumerate(items) for b in items[:n]]
    cosines = [len(a & b) / (len(a) * len(b)) ** 0.5 if a and b else 0.0 for a, b in pairs]
    return 1 - sum(cosines) / len(cosines)


def lists_of(
    model: SequentialRecommender,
    dataset: Dataset,
    cases: Cases,
    output: str,
    sampling: Sampling,
    counts: list[int],
) -> dict[tuple[int, str], Lists]:
    """Return the ten best items of every case for every number of samples and merge."""
    wanted = [(count, merge) for count in counts for merge in (MERGES if count > 1 else list(MERGES)[:1])]
    found = {key: np.zeros((len(cases), K), dtype=np.int64) for key in wanted}
    vectors_VD = model.item_vectors_VD().detach()
    scorer = Scorer(
        model=model, output=output, sampling=sampling, merging=Merging(samples=max(counts)), device=torch.device("cpu")
    )
    for numbers, representations, bias in scorer.represent(dataset.sequences, cases.starts, cases.ends):
        nothing = [np.empty(0, dtype=np.int64)] * len(numbers)
        for count, merge in wanted:
            best = merge_top_k(representations[:count], vectors_VD, K, nothing, merge=merge, bias=bias)
            found[count, merge][numbers] = np.stack([ranked.items for ranked in best])
    return found


def report(cases: Cases, items: int, users: list[set[int]]) -> Callable[[str, Lists], None]:
    """Return a function that prints a row; the first one is what the others are compared with."""
    first: dict[str, npt.NDArray[np.float64]] = {}
    lists_before: list[Lists] = []
    print(
        f"{'':34} {'HR@10':>6} {'NDCG@10':>8} {'difference of NDCG@10':>26} {'diversity':>10} {'coverage':>9} overlap"
    )

    def row(name: str, lists: Lists) -> None:
        hits = lists == cases.targets[:, None]
        ranks = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, items)
        hr, gain = hit_rate(ranks, K), ndcg(ranks, K)
        before = first.setdefault("ndcg", gain)
        if not lists_before:
            lists_before.append(lists)
        low, high = bootstrap_interval(gain - before, level=0.95, resamples=1000, seed=0)
        spread = np.mean([diversity(one, users) for one in lists.tolist()])
        covered = len(np.unique(lists)) / items
        same = np.mean(
            [len(set(a) & set(b)) / K for a, b in zip(lists.tolist(), lists_before[0].tolist(), strict=True)]
        )
        difference = f"{(gain - before).mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        print(
            f"{name:34} {hr.mean():6.4f} {gain.mean():8.4f} {difference:>26} {spread:10.4f} {covered:9.4f} {same:7.4f}"
        )

    return row


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--dataset", default="grocery")
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    space = Workspace(arguments.workspace)
    dataset = open_dataset(space.dataset_folder(arguments.dataset))
    checkpoint = open_checkpoint(space.find_checkpoint(arguments.checkpoint, arguments.dataset), dataset)
    model, output = restore_model(checkpoint, torch.device("cpu")), checkpoint.metadata.output
    cases = select_cases(dataset.sequences, "test")
    some = np.random.default_rng(arguments.seed).permutation(len(cases))[: arguments.users]
    cases = Cases(
        users=cases.users[some], starts=cases.starts[some], ends=cases.ends[some], targets=cases.targets[some]
    )
    row = report(cases, dataset.items.height, train_users(dataset))
    still = Sampling(steps=arguments.steps, noise="zero")
    row("no noise", lists_of(model, dataset, cases, output, still, [1])[1, MERGES[0]])
    for temperature in arguments.temperatures:
        started = time.perf_counter()
        sampling = Sampling(steps=arguments.steps, seed=arguments.seed, temperature=temperature)
        for (count, merge), lists in lists_of(model, dataset, cases, output, sampling, arguments.samples).items():
            row(f"temperature {temperature:g}, {count} {merge if count > 1 else ''}", lists)
        print(f"  {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
