r"""Says by how much trials differ from one of them on the same test users, with p-values, from the ranks they left.

python -m tests.benchmarks.accuracy_trials --data workspace --out third \
  --trials tests/benchmarks/accuracy_positions.toml
python -m tests.benchmarks.accuracy_differences third --metric ndcg@20 --to baby-contrast \
  --trials baby-sasrec baby-esasrec baby-bsarec

A name stands for all its seeds: a user's figure is the mean of the user's figures over them. p is of a paired
randomisation test over users, corrected for the number of trials (Holm); several folders are read as one.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adrec_cli.ranking.metrics import metric_of_users
from adrec_cli.ranking.significance import Difference, Values, differences_to
from tests.benchmarks.accuracy_trials import RANKS


def read_ranks(folders: Sequence[Path]) -> dict[str, list[int]]:
    """Return the rank of each test target, in the order of users, by trial."""
    lines = [json.loads(line) for folder in folders for line in (folder / RANKS).read_text().splitlines()]
    return {line["trial"]: line["ranks"] for line in lines}


def seeds_of(name: str, trials: Sequence[str]) -> list[str]:
    """Return the trials that are this one with some seed."""
    found = [trial for trial in trials if re.fullmatch(rf"{re.escape(name)}(-s\d+)?", trial)]
    if not found:
        raise SystemExit(f"no trial is called {name}")
    return found


def of_users(name: str, metric: str, ranks: dict[str, list[int]]) -> Values:
    """Return a metric of each user, averaged over the seeds of a trial."""
    per_seed = [np.array(ranks[trial]) for trial in seeds_of(name, list(ranks))]
    means: Values = np.mean([metric_of_users(one, np.arange(len(one)), metric) for one in per_seed], axis=0)
    return means


def compare(reference: str, others: Sequence[str], metric: str, ranks: dict[str, list[int]]) -> dict[str, Difference]:
    """Return how the others differ from one; negative is worse than that."""
    values = [of_users(name, metric, ranks) for name in others]
    return dict(zip(others, differences_to(of_users(reference, metric, ranks), values), strict=True))


def main() -> None:
    """Print a line for each trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="what accuracy_trials was given as --out")
    parser.add_argument("--to", required=True, help="the trial that others are held against")
    parser.add_argument("--trials", required=True, nargs="+")
    parser.add_argument("--metric", default="ndcg@10")
    options = parser.parse_args()
    ranks = read_ranks(options.folders)
    print(f"{options.metric} of {options.to}: {100 * of_users(options.to, options.metric, ranks).mean():.3f}")
    for name, found in compare(options.to, options.trials, options.metric, ranks).items():
        seeds = len(seeds_of(name, list(ranks)))
        interval = f"{100 * found.value:+.3f} [{100 * found.low:+.3f}, {100 * found.high:+.3f}]"
        print(f"{name} ({seeds} seeds): {interval}, p {found.p:.4f}, corrected {found.p_holm:.4f}")


if __name__ == "__main__":
    main()
