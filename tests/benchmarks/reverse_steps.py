"""What reverse steps, noise and guidance do to one checkpoint, each beside one step of zero noise.

    python -m tests.benchmarks.reverse_steps finetune --workspace workspace --dataset demo --part valid --guidance 0 2

Held-out targets against the whole catalogue, items of the history competing, as `adrec evaluate`. The first row is what
all others are compared with: one step of the same model without guidance, or of another one (--beside). A paired
randomisation test over users says whether a difference may be chance, corrected (Holm) for all rows of the table.
`adrec evaluate finetune --steps 1,2,4` has the same figures, and times, without the tests.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.loading.opening import open_checkpoint, open_dataset, restore_model
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.ranking.metrics import metric_of_users, metric_table
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.significance import differences_to

METRICS = ("hr@10", "ndcg@10", "hr@20", "ndcg@20")
COLUMNS = ("name", "part", "steps", "noise", "guidance", *METRICS, "difference", "low", "high", "p", "seconds")


REFERENCE = replace(FAST_SAMPLING, guidance=0.0)


def list_samplings(options: argparse.Namespace) -> Iterator[Sampling]:
    """Yield all ways to sample that are asked for."""
    for guidance, noise, steps in product(options.guidance, options.noise, options.steps):
        yield Sampling(steps=steps, noise=noise, guidance=guidance, seed=options.seed)


def rank_every_way(options: argparse.Namespace) -> list[dict[str, str]]:
    """Rank all targets in every way, and return a row of each, that of the reference first."""
    space, device = Workspace(options.workspace), torch.device("cpu")
    dataset = open_dataset(space.dataset_folder(options.dataset))
    cases = select_cases(dataset.sequences, options.part)
    rows, values = [], []
    own = [REFERENCE, *(sampling for sampling in list_samplings(options) if sampling != REFERENCE)]
    asked = [(options.checkpoint, options.name or Path(options.checkpoint).stem, sampling) for sampling in own]
    if options.beside:
        asked.insert(0, (options.beside, "beside", REFERENCE))
    for path, name, sampling in asked:
        started = time.process_time()
        checkpoint = open_checkpoint(space.find_checkpoint(path, options.dataset), dataset)
        model = restore_model(checkpoint, device)
        scorer = Scorer(model=model, output=checkpoint.metadata.output, sampling=sampling, device=device)
        ranks = target_ranks(scorer, dataset.sequences, cases)
        table = metric_table(ranks, cases.users)
        row = {"name": name, "part": options.part, "steps": str(sampling.steps)}
        row |= {"noise": sampling.noise, "guidance": f"{sampling.guidance:g}"}
        row |= {metric: f"{100 * table[metric]:.3f}" for metric in METRICS}
        rows.append(row | {"seconds": f"{time.process_time() - started:.1f}"})
        values.append(metric_of_users(ranks, cases.users, options.metric))
    for row, one in zip(rows[1:], differences_to(values[0], values[1:]), strict=True):
        told = {"difference": one.value, "low": one.low, "high": one.high}
        row |= {key: f"{100 * value:+.3f}" for key, value in told.items()} | {"p": f"{one.p_holm:.4f}"}
    return rows


def main() -> None:
    """Read the options, and print a table of comma-separated values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--beside", help="checkpoint whose one step all are compared with, instead of its own")
    parser.add_argument("--name", default="", help="for the first column")
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--metric", default="ndcg@20", help="that is tested")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--noise", nargs="+", default=["zero", "seeded"])
    parser.add_argument("--guidance", type=float, nargs="+", default=[0.0])
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    options = parser.parse_args()
    torch.set_num_threads(1)
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rank_every_way(options))


if __name__ == "__main__":
    main()
