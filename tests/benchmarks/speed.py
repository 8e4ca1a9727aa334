"""Training and evaluation speed against straightforward padded code, in one run; prints ratios, asserts nothing.

python -m tests.benchmarks.speed path/to/adrec-official/baby/sequences.parquet
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch

from adrec_cli.data.batches import training_windows
from adrec_cli.data.sequences import Sequences
from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.registry import find_stages
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.runtime import make_generator
from adrec_cli.training.loop import StageTraining
from tests.batches import epoch_batches
from tests.reference import padded

CPU = torch.device("cpu")


def read(path: Path) -> Sequences:
    """Read one of the official cuts: columns train (list), val, test."""
    table = pl.read_parquet(path)
    lists = [[*t, v, s] for t, v, s in zip(table["train"].to_list(), table["val"], table["test"], strict=True)]
    lengths = np.array([len(entry) for entry in lists], dtype=np.int64)
    items = np.concatenate([np.array(entry, dtype=np.int32) for entry in lists])
    return Sequences(
        user_ids=table["user_id"].cast(pl.String), items=items, offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths - 2, valid_end=lengths - 1, item_count=int(items.max()),
    )  # fmt: skip


def matrix_rate() -> float:
    """Measured FLOP/s of a large float32 matrix product: the floor's denominator."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048**3 / best_seconds(lambda: a @ b, 10)


def best_seconds(function: Callable[[], object], repeats: int) -> float:
    """Fastest of some repeats after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def flops_per_token(config: ADRecConfig, items: int) -> float:
    """Multiply-adds that are needed, times two, times three for forward and backward."""
    blocks = 12 * config.hidden_size**2 * (config.cam_blocks + config.adm_blocks)
    return 3 * 2 * (blocks + config.hidden_size * items)


def training_rates(sequences: Sequences, config: ADRecConfig) -> tuple[float, float]:
    """Tokens per second of ours and of the padded reference, on the same batches in turn."""
    windows = training_windows(sequences, config.max_length)
    ours, theirs = made(config, sequences.item_count), made(config, sequences.item_count)
    training = StageTraining(
        name="finetune", stage=find_stages("adrec")["finetune"], config=TrainingConfig(), model=ours, windows=windows,
        validate=dict, device=CPU,
    )  # fmt: skip
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-3, weight_decay=1e-5)
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0)).numpy()
    inputs, targets = padded.padded_batch(windows, order[:512], config.max_length)
    batch = next(
        epoch_batches(windows, batch_size=512, max_length=config.max_length, generator=torch.Generator().manual_seed(0))
    )

    def reference_step() -> None:
        theirs.train()
        optimizer.zero_grad()
        ce, mse = padded.training_losses(theirs, inputs, targets)
        (ce + mse).backward()
        optimizer.step()

    tokens = int((inputs > 0).sum())
    ours.train()
    fast = best_seconds(lambda: training._step(batch), 10)
    slow = best_seconds(reference_step, 2)
    return tokens / fast, tokens / slow


def evaluation_seconds(sequences: Sequences, config: ADRecConfig, users: int) -> tuple[float, float, float]:
    """Seconds for all users, ours at all steps and at one, and the reference extrapolated from `users` of them."""
    model = made(config, sequences.item_count).eval()
    cases = select_cases(sequences, "test")

    def ours(sampling: Sampling) -> float:
        started = time.perf_counter()
        target_ranks(Scorer(model=model, output="x_start", sampling=sampling, device=CPU), sequences, cases)
        return time.perf_counter() - started

    histories = np.zeros((users, config.max_length), dtype=np.int64)
    for row in range(users):
        history = sequences.items[cases.starts[row] : cases.ends[row]][-config.max_length :]
        histories[row, config.max_length - len(history) :] = history
    started = time.perf_counter()
    padded.full_ranks(
        model, torch.from_numpy(histories), torch.from_numpy(cases.targets[:users]), torch.Generator().manual_seed(0)
    )
    reference = (time.perf_counter() - started) * len(cases) / users
    return ours(Sampling()), ours(FAST_SAMPLING), reference


def made(config: ADRecConfig, items: int) -> ADRec:
    """A model with fresh weights."""
    model = ADRec(config, items)
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    return model


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    config, sequences = ADRecConfig(), read(path)
    rate = matrix_rate()
    fast, slow = training_rates(sequences, config)
    needed = flops_per_token(config, sequences.item_count)
    print(f"threads {torch.get_num_threads()}, matrix rate {rate / 1e9:.0f} GFLOP/s")
    print(f"training, tokens/s       {fast:8.0f}   reference {slow:8.0f}   ratio {fast / slow:6.1f}")
    print(f"share of the matrix rate {fast * needed / rate:8.0%}   floor {rate / needed:8.0f} tokens/s")
    steps, one, reference = evaluation_seconds(sequences, config, users=512)
    print(f"evaluation, 32 steps, s  {steps:8.2f}   reference {reference:8.1f}   ratio {reference / steps:6.0f}")
    print(f"evaluation, one step, s  {one:8.2f}   reference {reference:8.1f}   ratio {reference / one:6.0f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process, both included: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
