"""What a training step is made of: the share of packing, and what bf16 and torch.compile bring, in turn on one thread.

python -m tests.benchmarks.training_step path/to/adrec-official/baby/sequences.parquet
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from adrec_cli.data.batches import training_windows
from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.batch import PackedBatch
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator
from adrec_cli.training.loop import StageTraining
from tests.batches import epoch_batches
from tests.benchmarks.speed import read

KINDS = {
    "float32": {},
    "bf16": {"precision": "bf16"},
    "compiled": {"compile": True},
    "bf16, compiled": {"precision": "bf16", "compile": True},
}


def processor_seconds(run: StageTraining, batch: PackedBatch) -> float:
    """Of one step; on one thread it says more than a clock where others are at work too."""
    started = time.process_time()
    run._step(batch)
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sequences, config = read(options.path), ADRecConfig()
    windows = training_windows(sequences, config.max_length)

    def training(**changes: object) -> StageTraining:
        model = ADRec(config, sequences.item_count)
        for component in model.components():
            model.initialize(component, make_generator(0, component))
        return StageTraining(
            name="finetune", stage=find_stages("adrec")["finetune"], config=TrainingConfig(**changes),
            model=model.train(), windows=windows, validate=dict, device=torch.device("cpu"),
        )  # fmt: skip

    started = time.process_time()
    batches = list(
        epoch_batches(windows, batch_size=512, max_length=config.max_length, generator=make_generator(0, "order"))
    )
    packing = (time.process_time() - started) / len(batches)
    runs = {name: training(**changes) for name, changes in KINDS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for batch in batches[: options.steps + 3]:
        for name, run in runs.items():
            seconds[name].append(processor_seconds(run, batch))
    # The first steps compile, for the first shape and then for any.
    median = {name: statistics.median(taken[3:]) for name, taken in seconds.items()}
    print(f"packing {packing * 1e3:.2f} ms, {packing / (packing + median['float32']):.2%} of a step in float32")
    for name, value in median.items():
        print(f"{name:15} {value * 1e3:6.0f} ms of the processor a step, ratio {median['float32'] / value:.2f}")


if __name__ == "__main__":
    main()
