"""Evaluations of trainings that differ in one thing, in workspaces of their own, side by side; seeds are averaged.

    python -m tests.benchmarks.paired --of none none-4?/amazon-beauty/reports/adrec-finetune-*seen.json \\
        --of sum sum-4?/amazon-beauty/reports/adrec-finetune-*seen.json

The first is what the others are compared with: the same users and targets, a paired randomisation test on the means of
the seeds. `adrec compare` does the same for models, which have other folders in one workspace.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adrec_cli.artifacts.evaluation import read_evaluation, read_ranks
from adrec_cli.comparing.side_by_side import ComparedModel, Measured, put_side_by_side

METRICS = ("ndcg@10", "hr@10")
TAIL = "tail"


def read_measured(name: str, paths: Sequence[Path]) -> Measured:
    """Return evaluations of several seeds under one name."""
    evaluations = [read_evaluation(path) for path in paths]
    return Measured(
        name=name,
        model=evaluations[0].model,
        seeds=list(range(len(paths))),
        costs=[None] * len(paths),
        evaluations=evaluations,
        ranks=[read_ranks(path) for path in paths],
    )


def write_row(one: ComparedModel, measured: Measured) -> str:
    """Return a row of Markdown: metrics with the seeds' spread, differences with p, and the tail."""
    cells = [one.name]
    for metric in METRICS:
        spread = f" ±{one.spread[metric]:.4f}" if one.spread else ""
        cells.append(f"{one.metrics[metric]:.4f}{spread}")
        if one.differences:
            other = one.differences[metric]
            share = other.value / (one.metrics[metric] - other.value)
            cells.append(
                f"{other.value:+.4f} [{other.low:+.4f}, {other.high:+.4f}], {share:+.1%}, p {other.p_holm:.4f}"
            )
        else:
            cells.append("")
    tails = [evaluation.slices[TAIL]["metrics"]["ndcg@10"] for evaluation in measured.evaluations if evaluation.slices]
    cells.append(f"{np.mean(tails):.4f}" if tails else "")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs="+", action="append", required=True, metavar="NAME FILE", help="evaluations")
    options = parser.parse_args()
    measured = [read_measured(name, [Path(path) for path in paths]) for name, *paths in options.of]
    by_name = {one.name: one for one in measured}
    found = put_side_by_side(
        measured[0].evaluations[0].dataset, measured, metrics=METRICS, against=measured[0].name, left_out=[]
    )
    print(f"| {found.dataset}, {found.protocol}, {found.users:,} users | NDCG@10 | | HR@10 | | NDCG@10 of the tail |")
    print(f"|---{'|---' * 5}|")
    for one in sorted(found.models, key=lambda model: list(by_name).index(model.name)):
        print(write_row(one, by_name[one.name]))


if __name__ == "__main__":
    main()
