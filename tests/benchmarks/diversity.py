"""What diversity costs: accuracy of lists of ten, and what they are like, by weight of dissimilarity and by cap.

    python -m tests.benchmarks.diversity sasrec --workspace workspace --dataset amazon-beauty --column attributes

Lists are those of `adrec recommend --diversify X --max-per COLUMN=N`, of test users drawn once, without what they know.
A target that is not in the list counts as missed, one that the history holds too. Diversity is the mean Jaccard
distance of two items' values in the column.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.ranking.beyond_accuracy import BeyondAccuracy, category_codes, history_means
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import Cases, select_cases
from adrec_cli.recommending.diversity import diverse_lists
from adrec_cli.recommending.options import Diversity, Wanted
from adrec_cli.schema import COUNT, PAD

K = 10
BEYOND = K + 1
"""Rank of a target that no list has."""
FIGURES = (f"diversity@{K}", f"coverage@{K}", f"gini@{K}", f"novelty@{K}", f"popularity@{K}")
_AT_ONCE = 500


def look_at(recommender: Recommender, cases: Cases, diversity: Diversity, column: str) -> Mapping[str, float]:
    """Return accuracy of the lists of some cases, and what they are like."""
    counts_V = np.concatenate([[0], recommender.items[COUNT].to_numpy()]).astype(np.int64)
    figures = BeyondAccuracy(counts_V, len(cases), (K,), category_codes(recommender.items[column]))
    wanted = Wanted(k=K, include_seen=False, sampling=FAST_SAMPLING, diversity=diversity)
    items, ranks = recommender.sequences.items, np.full(len(cases), BEYOND)
    for begin in range(0, len(cases), _AT_ONCE):
        some = cases.some(slice(begin, begin + _AT_ONCE))
        lists, _ = diverse_lists(recommender, Histories(items=items, starts=some.starts, ends=some.ends), wanted)
        lists_BK = np.full((len(lists), K), PAD, dtype=np.int64)
        for row, ranked in enumerate(lists):
            lists_BK[row, : len(ranked.items)] = ranked.items
        case, place = np.nonzero(lists_BK == some.targets[:, None])
        ranks[begin + case] = place + 1
        figures.add(np.arange(begin, begin + len(some)), lists_BK)
    accuracy = metric_table(ranks, cases.users, (K,))
    return {
        **accuracy,
        **figures.table(history_means(items, cases.starts, cases.ends, counts_V), counts_V[cases.targets]),
    }


def main() -> None:
    """Print a row in Markdown for each weight and each cap."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a model, or of a checkpoint")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--dataset")
    parser.add_argument("--column", default="category", help="that diversity is measured in, and capped")
    parser.add_argument("--weights", type=float, nargs="*", default=[0.1, 0.2, 0.3, 0.5, 0.7])
    parser.add_argument("--most", type=int, nargs="*", default=[5, 3], help="items of one value in a list")
    parser.add_argument("--users", type=int, default=5_000)
    options = parser.parse_args()
    recommender = Opening(
        workspace=options.workspace, dataset_name=options.dataset, model=options.model, device="cpu", threads=1
    ).open()
    cases = select_cases(recommender.sequences, "test").draw(options.users, seed=0)
    ways = {"best scores": Diversity()}
    ways |= {f"`--diversify {weight}`": Diversity(weight=weight) for weight in options.weights}
    ways |= {f"`--max-per {options.column}={n}`": Diversity(most=((options.column, n),)) for n in options.most}
    names = (f"ndcg@{K}", f"hr@{K}", *FIGURES)
    print(f"| {recommender.dataset}, {len(cases):,} test users | {' | '.join(names)} |\n|---{'|---:' * len(names)}|")
    for way, diversity in ways.items():
        found = look_at(recommender, cases, diversity, options.column)
        print(f"| {way} | {' | '.join(f'{found[name]:.4g}' for name in names)} |", flush=True)


if __name__ == "__main__":
    main()
