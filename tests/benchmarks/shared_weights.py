"""Memory of several processes that hold one table of items: each its own, or all the same.

python -m tests.benchmarks.shared_weights --items 1e6 --width 256 --processes 4
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.training.memory_once import MemoryOnce


def hold(rank: int, count: int, port: int, path: Path, shared: bool, barrier: Barrier) -> tuple[float, float, float]:
    """Load the table as one of several processes, look at all of it, and return MiB of PSS and RSS, and seconds."""
    store = dist.TCPStore("127.0.0.1", port, count, is_master=rank == 0, wait_for_workers=False)
    once = MemoryOnce(PrefixStore("weights", store), contextlib.nullcontext) if shared else None
    before = read_memory()
    barrier.wait()
    began = time.process_time()
    with open_tensors(path) as file:
        tensors, _ = file.load(once=once)
    tensors["items"].sum()
    seconds = time.process_time() - began
    barrier.wait()
    after = read_memory()
    barrier.wait()
    return after[0] - before[0], after[1] - before[1], seconds


def read_memory() -> tuple[float, float]:
    """Return this process's PSS and RSS in MiB."""
    rows = [row.split() for row in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]]
    found = {row[0]: int(row[1]) / 1024 for row in rows}
    return found["Pss:"], found["Rss:"]


def run(rank: int, pipe: object, measure: functools.partial[tuple[float, float, float]]) -> None:
    pipe.send(measure(rank))


def main() -> None:
    """Print a row each for memory of one's own and memory that is shared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=float, default=1e6)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.safetensors"
        write_tensors(path, {"items": torch.randn(int(asked.items), asked.width)}, {})
        print(f"table of {path.stat().st_size / 2**20:,.0f} MiB, {asked.processes} processes")
        for number, shared in enumerate((False, True)):
            barrier = context.Barrier(asked.processes)
            measure = functools.partial(
                hold, count=asked.processes, port=29700 + number, path=path, shared=shared, barrier=barrier
            )
            pipes = [context.Pipe() for _ in range(asked.processes)]
            running = [context.Process(target=run, args=(r, pipe[1], measure)) for r, pipe in enumerate(pipes)]
            for one in running:
                one.start()
            found = [mine.recv() for mine, _ in pipes]
            for one in running:
                one.join()
            pss, rss, seconds = (sum(column) for column in zip(*found, strict=True))
            print(
                f"{'shared' if shared else 'own':7} PSS {pss:,.0f} MiB, RSS {rss:,.0f} MiB, processor {seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
