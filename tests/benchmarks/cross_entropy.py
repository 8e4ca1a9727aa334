"""Cross-entropy against a whole catalogue: ours, torch's and the naive one; prints GFLOP/s, shares and peak memory.

python -m tests.benchmarks.cross_entropy --items 5000 12000 65000 1000000
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from adrec_cli.training.losses import catalogue_cross_entropy

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
LOSSES: dict[str, Loss] = {
    "ours": catalogue_cross_entropy,
    "torch": lambda h, e, t: F.linear_cross_entropy(h, e, t, options=torch.nn.LinearCrossEntropyOptions()),
    "naive": lambda h, e, t: F.cross_entropy(h @ e.T, t),
}
MOST_NAIVE_ENTRIES = 5e8
MOST_TORCH_ENTRIES = 5e7


def tensors(tokens: int, items: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Predictions as a LayerNorm gives them, item vectors as they are after some training, and targets."""
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(tokens, width, generator=generator).requires_grad_()
    vectors = (torch.randn(items, width, generator=generator) * 0.1).requires_grad_()
    return predicted, vectors, torch.randint(items, (tokens,), generator=generator)


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def matrix_seconds_per_flop(for_seconds: float) -> float:
    """Of a large float32 product, over about the time that was measured, so that both meet the same disturbances."""
    a, flops, started = torch.randn(2048, 2048), 0, time.perf_counter()
    while time.perf_counter() - started < for_seconds or not flops:
        a @ a
        flops += 2 * 2048**3
    return (time.perf_counter() - started) / flops


def measure(name: str, tokens: int, items: int, width: int, repeats: int) -> None:
    """Print one row; run in a process of its own, whose peak memory is the loss's."""
    predicted, vectors, targets = tensors(tokens, items, width)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def step() -> None:
        predicted.grad = vectors.grad = None
        LOSSES[name](predicted, vectors, targets).backward()

    warm_up = seconds(step)
    beyond = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    peak = max(0.0, beyond / 2**10 - items * width * 4 / 2**20)
    flops = 6 * tokens * items * width
    found = []
    for _ in range(repeats if warm_up < 10 else 1):
        taken = seconds(step)
        found.append((taken, matrix_seconds_per_flop(min(taken, 2.0)) * flops / taken))
    share = sorted(share for _, share in found)[len(found) // 2]
    print(
        f"{items:>9,} {name:6} {flops / min(taken for taken, _ in found) / 1e9:7.1f} {share:6.0%} {peak:9.0f}",
        flush=True,
    )


def main() -> None:
    """Print the table, or with --one a row of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[5000, 12_000, 65_000, 1_000_000])
    parser.add_argument("--tokens", type=int, default=2500)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one", choices=LOSSES)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        measure(options.one, options.tokens, options.items[0], options.width, options.repeats)
        return
    print(f"threads {options.threads}, D {options.width}; share is of a 2048 x 2048 float32 product's rate in the same")
    print("seconds; memory is the peak beyond item vectors and their gradient")
    print("    items loss   GFLOP/s  share    MiB")
    for items in options.items:
        tokens = options.tokens if items < 200_000 else min(options.tokens, 1024)
        for name in LOSSES:
            if tokens * items > {"naive": MOST_NAIVE_ENTRIES, "torch": MOST_TORCH_ENTRIES}.get(name, 1e12):
                print(f"{items:>9,} {name:6} left out: too much memory or time")
                continue
            command = [sys.executable, "-m", "tests.benchmarks.cross_entropy", "--one", name, "--items", str(items)]
            more = {"tokens": tokens, "width": options.width, "repeats": options.repeats, "threads": options.threads}
            subprocess.run([*command, *(f"--{key}={value}" for key, value in more.items())], check=True)


if __name__ == "__main__":
    main()
