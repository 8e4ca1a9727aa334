"""What a night gains by starting from the current model: the newest tenth of a log arrives, warm against cold.

    python -m tests.benchmarks.warm_start downloads/ml-100k/u.data --seeds 0 1

The log is cut by time: the first run trains on what came before, the next adds the rest, once from the current model
and once from fresh weights. Prints epochs until training stops by itself, CPU seconds, and test metrics on the data of
that night (leave one out, whole catalogue); behind it, on validation, the current model that was not trained again.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import polars as pl

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.pipeline.run import RunOptions, RunSummary, run
from adrec_cli.promotion.options import PromotionOptions

STAGES = ("pretrain", "align", "finetune")
SMALL = {"model": {"hidden_size": 64}, "stages": {name: {"patience": 3} for name in STAGES}}
"""Half the default width, and an early end, so that two seeds take some minutes."""


def cut(source: Path, folder: Path, share: float) -> tuple[Path, Path]:
    """Write what came before and after the time by which `share` of the events had come."""
    columns = ["user_id", "item_id", "rating", "timestamp"]
    log = pl.read_csv(source, separator="\t", has_header=False, new_columns=columns).sort("timestamp")
    at = log["timestamp"][int(share * log.height)]
    before, after = folder / "shop.csv", folder / "night.csv"
    log.filter(pl.col("timestamp") < at).write_csv(before)
    log.filter(pl.col("timestamp") >= at).write_csv(after)
    return before, after


def epochs(folder: Path) -> int:
    """Return how many epochs all stages took."""
    return sum(len((folder / f"{name}.jsonl").read_text().splitlines()) for name in STAGES)


def night(source: Path, workspace: Path, seed: int, *, update: bool, cold: bool = False) -> tuple[RunSummary, float]:
    """Run a night and return what it did and its CPU seconds."""
    preprocessing = PreprocessOptions(update=workspace / "shop") if update else PreprocessOptions()
    overrides = {**SMALL, "training": {"seed": seed}}
    started = time.process_time()
    summary = run(
        str(source),
        workspace=workspace,
        options=RunOptions(
            preprocessing=preprocessing,
            cold=cold,
            experiment=ExperimentOptions(overrides=overrides),
            promotion=PromotionOptions(tolerance=1.0),
        ),
        work=Work(options=ComputeOptions(threads=1)),
    )
    return summary, time.process_time() - started


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            before, after = cut(arguments.source, folder, arguments.share)
            first, seconds = night(before, folder / "warm", seed, update=False)
            row(f"seed {seed}, before", first, epochs(folder / "warm/shop/adrec"), seconds)
            shutil.copytree(folder / "warm", folder / "cold")
            for name in ("warm", "cold"):
                summary, seconds = night(after, folder / name, seed, update=True, cold=name == "cold")
                row(f"seed {seed}, {name}", summary, epochs(folder / name / "shop/adrec"), seconds)


def row(name: str, summary: RunSummary, epochs: int, seconds: float) -> None:
    """Print a line."""
    metrics = summary.evaluation.metrics
    told = f"; {summary.comparison}" if summary.comparison else ""
    print(
        f"{name:16} {epochs:4} epochs {seconds:6.0f} s  test hr@10 {metrics['hr@10']:.4f} ndcg@10 "
        f"{metrics['ndcg@10']:.4f}{told}",
        flush=True,
    )


if __name__ == "__main__":
    main()
