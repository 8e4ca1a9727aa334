"""Peak memory of training and of evaluation against straightforward padded code, each in a process of its own.

python -m tests.benchmarks.memory path/to/adrec-official/baby/sequences.parquet

Prints, in MiB, the peak of each process and how far it lies above what the process had before its first step (imports,
data, model); asserts nothing.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from adrec_cli.data.batches import training_windows
from adrec_cli.data.sequences import Sequences
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.registry import find_stages
from adrec_cli.models.sampling import Sampling
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.training.loop import StageTraining
from tests.batches import epoch_batches
from tests.benchmarks.speed import CPU, made, read
from tests.reference import padded

BATCH, STEPS = 512, 3


def ours_training(sequences: Sequences, config: ADRecConfig) -> Callable[[], None]:
    """Some steps of the stage finetune."""
    windows = training_windows(sequences, config.max_length)
    model = made(config, sequences.item_count)
    training = StageTraining(
        name="finetune", stage=find_stages("adrec")["finetune"], config=TrainingConfig(batch_size=BATCH), model=model,
        windows=windows, validate=dict, device=CPU,
    )  # fmt: skip
    batches = epoch_batches(
        windows, batch_size=BATCH, max_length=config.max_length, generator=torch.Generator().manual_seed(0)
    )
    model.train()

    def run() -> None:
        for _, batch in zip(range(STEPS), batches, strict=False):
            training._step(batch)

    return run


def reference_training(sequences: Sequences, config: ADRecConfig) -> Callable[[], None]:
    """Some padded steps over as many sequences."""
    windows = training_windows(sequences, config.max_length)
    model = made(config, sequences.item_count).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0)).numpy()

    def run() -> None:
        for step in range(STEPS):
            batch = padded.padded_batch(windows, order[step * BATCH : (step + 1) * BATCH], config.max_length)
            optimizer.zero_grad()
            ce, mse = padded.training_losses(model, *batch)
            (ce + mse).backward()
            optimizer.step()

    return run


def ours_evaluation(sequences: Sequences, config: ADRecConfig) -> Callable[[], None]:
    """All users at all steps."""
    model, cases = made(config, sequences.item_count).eval(), select_cases(sequences, "test")

    def run() -> None:
        target_ranks(Scorer(model=model, output="x_start", sampling=Sampling(), device=CPU), sequences, cases)

    return run


def reference_evaluation(sequences: Sequences, config: ADRecConfig) -> Callable[[], None]:
    """One batch of 512 padded users; two reverse steps suffice, as each takes the same memory."""
    config = ADRecConfig(diffusion_steps=2, noise_schedule="cosine")
    model, cases = made(config, sequences.item_count).eval(), select_cases(sequences, "test")
    histories = np.zeros((BATCH, config.max_length), dtype=np.int64)
    for row in range(BATCH):
        history = sequences.items[cases.starts[row] : cases.ends[row]][-config.max_length :]
        histories[row, config.max_length - len(history) :] = history

    def run() -> None:
        generator = torch.Generator().manual_seed(0)
        padded.full_ranks(model, torch.from_numpy(histories), torch.from_numpy(cases.targets[:BATCH]), generator)

    return run


PARTS = {
    "training": (ours_training, reference_training),
    "evaluation": (ours_evaluation, reference_evaluation),
}


def peak() -> float:
    """MiB this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measured(path: Path, part: str, which: str) -> tuple[float, float]:
    """MiB of a process of its own: its peak, and how far that is above what it had before."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", str(path), "--part", part, "--which", which]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole, above = done.stdout.split()
    return float(whole), float(above)


def main() -> None:
    """Print the table; with --part and --which measure one in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--which", choices=["ours", "reference"])
    options = parser.parse_args()
    if options.part:
        run = PARTS[options.part][options.which == "reference"](read(options.path), ADRecConfig())
        before = peak()
        run()
        print(peak(), peak() - before)
        return
    for part in PARTS:
        (ours, ours_above), (theirs, theirs_above) = (measured(options.path, part, w) for w in ("ours", "reference"))
        print(
            f"{part:11} above the start {ours_above:6.0f}   reference {theirs_above:6.0f}   "
            f"ratio {ours_above / theirs_above:.2f};   whole {ours:6.0f}   reference {theirs:6.0f}"
        )


if __name__ == "__main__":
    main()
