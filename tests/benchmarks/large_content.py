"""What content costs in memory: items with vectors of another program, encoded and trained with, a process each.

python -m tests.benchmarks.large_content                             # 100,000 items, a minute or two
python -m tests.benchmarks.large_content --items 1e6 --content sum   # the target: below 24 GB
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tests.benchmarks.large_shop import Step, measured

NAME = "log"
KINDS = ("none", "init", "sum", "adapter", "only")
_EVENTS_PER_USER = 500
"""So many that a catalogue of a million is trained in a few steps, and ranked for few."""
_ROWS_AT_ONCE = 65_536


def write_shop(folder: Path, *, items: int, entries: int, seed: int = 0) -> tuple[Path, Path]:
    """Write a log in which every item occurs once, and a vector for each item; return where."""
    random = np.random.default_rng(seed)
    log, vectors = folder / f"{NAME}.parquet", folder / "vectors.npy"
    pl.DataFrame(
        {
            "user_id": [f"u{place // _EVENTS_PER_USER}" for place in range(items)],
            "item_id": [f"i{item}" for item in random.permutation(items)],
            "timestamp": 1_700_000_000 + np.arange(items),
        }
    ).write_parquet(log)
    written = np.lib.format.open_memmap(vectors, mode="w+", dtype=np.float16, shape=(items, entries))
    for begin in range(0, items, _ROWS_AT_ONCE):
        written[begin : begin + _ROWS_AT_ONCE] = random.standard_normal((min(_ROWS_AT_ONCE, items - begin), entries))
    written.flush()
    vectors.with_suffix(".ids.txt").write_text("\n".join(f"i{one}" for one in range(items)))
    return log, vectors


def commands(log: Path, vectors: Path, workspace: Path, *, kinds: Sequence[str], epochs: int) -> dict[str, list[str]]:
    """Return what each step types, by its name."""
    adrec, place = [sys.executable, "-m", "adrec_cli"], ["--workspace", str(workspace)]
    train = [*adrec, "train", NAME, "--model", "sasrec", "--epochs", str(epochs), "--threads", "1"]
    for setting in (
        'stages.train.ranking_loss="sampled_softmax"',
        "model.hidden_size=64",
        "training.monitor_users=1000",
    ):
        train += ["--set", setting]
    return {
        "preprocess": [*adrec, "preprocess", str(log), "--min-interactions", "1", *place],
        "encode": [*adrec, "encode", NAME, "--vectors", str(vectors), *place],
        **{f"train {kind}": [*train, "--set", f'model.content="{kind}"', *place] for kind in kinds},
    }


def go_through(folder: Path, *, items: int, entries: int, kinds: Sequence[str], epochs: int) -> Iterator[Step]:
    """Yield what each step took, from a log and vectors that are drawn first."""
    log, vectors = write_shop(folder, items=items, entries=entries)
    for name, words in commands(log, vectors, folder / "workspace", kinds=kinds, epochs=epochs).items():
        yield measured(name, words)


def main() -> None:
    """Print a row for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=lambda text: int(float(text)), default=100_000)
    parser.add_argument("--entries", type=int, default=256, help="of the vector of an item")
    parser.add_argument("--content", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--epochs", type=int, default=2, help="of each training: four steps each with a million items")
    parser.add_argument("--folder", type=Path, help="to work in; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        sizes = {"items": options.items, "entries": options.entries, "epochs": options.epochs}
        for step in go_through(Path(folder), kinds=options.content, **sizes):
            print(f"{step.name:14} {step.processor_seconds:8.1f} processor s {step.gigabytes:6.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
