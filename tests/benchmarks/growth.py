"""How training grows with length, catalogue and users, on random sequences; a process a row.

python -m tests.benchmarks.growth                                        # the whole table
python -m tests.benchmarks.growth --items 1000000 --length 0 --users 0   # a large catalogue alone, every optimizer
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from adrec_cli.data.batches import TrainingWindows
from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.runtime import make_generator
from adrec_cli.training.events import EpochDone, StepDone
from adrec_cli.training.loop import StageTraining

LARGE = 500_000


def random_windows(users: int, length: int, items: int, *, full: bool) -> TrainingWindows:
    """Windows of `length` inputs each, or of 1 to 11 as in short histories."""
    rng = np.random.default_rng(0)
    lengths = np.full(users, length) if full else rng.integers(1, min(length, 11) + 1, users)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    drawn = rng.integers(1, items + 1, int((lengths + 1).sum())).astype(np.int32)
    return TrainingWindows(items=drawn, starts=starts.astype(np.int64), lengths=lengths.astype(np.int64))


def measure(options: argparse.Namespace) -> None:
    """Train some steps, or an epoch, and print a row."""
    torch.set_num_threads(options.threads)
    windows = random_windows(options.users[0], options.length[0], options.items[0], full=options.full)
    model = ADRec(ADRecConfig(hidden_size=options.width, max_length=options.length[0]), options.items[0])
    for component in model.components():
        model.initialize(component, make_generator(0, component))
    stage = dataclasses.replace(
        find_stages("adrec")["finetune"], ranking_loss=options.loss, negatives=256, epochs=1, patience=0
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    run = StageTraining(
        name="finetune", stage=stage, model=model, windows=windows, validate=dict, device=torch.device("cpu"),
        config=TrainingConfig(batch_size=options.batch, embedding_optimizer=options.optimizer),
    )  # fmt: skip
    rates, processor = [], [time.process_time()]
    for event in run.events():
        if isinstance(event, StepDone):
            rates.append(event.tokens_per_second)
            processor.append(time.process_time())
            if len(rates) > options.steps and not options.epoch:
                break
        if isinstance(event, EpochDone):
            print(
                f"{event.seconds:8.1f} s an epoch, {event.tokens_per_second:,.0f} tokens/s, "
                f"{processor[-1] - processor[0]:.1f} s of the processor",
                flush=True,
            )
            return
    rate = sorted(rates[1:])[len(rates[1:]) // 2]
    vectors = model.item_vectors_VD()
    kept = vectors.numel() * 4 + sum(
        moment.numel() * 4 for name, moment in run.optimizer.moments().items() if name.endswith("item_embedding.weight")
    )
    dense = vectors.grad is not None and not vectors.grad.is_sparse
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = sorted(np.diff(processor[1:]))[len(rates[1:]) // 2]
    print(
        f"{rate:9,.0f} tokens/s {seconds:8.2f} processor s a step   peak {peak:5.2f} GiB ({before:.2f} at the start); "
        f"item vectors and moments {kept / 2**30:.2f} GiB, gradient {vectors.numel() * 4 * dense / 2**30:.2f} GiB",
        flush=True,
    )


def row(title: str, **options: object) -> None:
    """Run one case in a process of its own."""
    print(f"{title:46}", end="", flush=True)
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    subprocess.run([sys.executable, "-m", "tests.benchmarks.growth", "--one", *flags], check=True)


def main() -> None:
    """Print the table, or with --one a row of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, nargs="+", default=[20, 50, 100, 200], help="0 leaves this part out")
    parser.add_argument("--items", type=int, nargs="+", default=[5000, 50_000, 1_000_000])
    parser.add_argument("--users", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--loss", default="ce")
    parser.add_argument("--optimizer", default="adam")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--epoch", action="store_true")
    parser.add_argument("--one", action="store_true")
    options = parser.parse_args()
    if options.one:
        measure(options)
        return
    shared = {"threads": options.threads, "width": options.width, "steps": options.steps}
    print(
        f"threads {options.threads}, D {options.width}, stage finetune of ADRec, CE over V items unless said otherwise"
    )
    for length in filter(None, options.length):
        batch = max(1, 2560 // length)
        row(f"L {length}, full rows, V 5,000", length=length, items=5000, users=10 * batch, batch=batch, full=True,
            **shared)  # fmt: skip
    for items in filter(None, options.items):
        users = (options.steps + 2) * options.batch
        cases = [("ce", "adam")]
        if items >= LARGE:
            cases += [("sampled_softmax", name) for name in ("adam", "sparse_adam", "rowwise_adagrad")]
        for loss, optimizer in cases:
            case = {"items": items, "users": users, "batch": options.batch, "loss": loss, "optimizer": optimizer}
            row(f"V {items:,}, {loss}, {optimizer}", length=50, **case, **shared)
    for users in filter(None, options.users):
        row(f"{users:,} users, V 5,000, L 50", length=50, items=5000, users=users, epoch=True, **shared)


if __name__ == "__main__":
    main()
