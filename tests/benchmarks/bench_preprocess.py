"""Preprocessing against a bare Polars scan, sort and group of the same file; run by hand.

    python -m tests.benchmarks.bench_preprocess --rows 1e6 1e7 --form csv parquet
    python -m tests.benchmarks.bench_preprocess --rows 1e8 --form parquet
    python -m tests.benchmarks.bench_preprocess --rows 1e7 --form csv --time iso dmy

Prints, per size and form, seconds, processor seconds and peak resident memory of both, each in a process of its own,
and the ratios of the two kinds of seconds; where others use the machine, processor seconds say more.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.interaction_logs import generate_log

TIMES = {"epoch": None, "iso": "%Y-%m-%d %H:%M:%S", "dmy": "%d.%m.%Y %H:%M", "ampm": "%m/%d/%Y %I:%M:%S %p"}
"""Forms of the times of a log, and the format that reads them."""


def write_log(source: Path, rows: int, form: str) -> None:
    """Write a log whose times are in a form, if it is not there yet."""
    import polars as pl

    if source.exists():
        return
    if form == "epoch":
        generate_log(source, rows, users=max(1000, min(rows // 10, 1_000_000)), items=200_000)
        return
    plain = source.with_stem(source.stem.removesuffix(form) + "epoch")
    write_log(plain, rows, "epoch")
    frame = pl.read_csv(plain) if source.suffix == ".csv" else pl.read_parquet(plain)
    frame = frame.with_columns(pl.from_epoch("timestamp").dt.strftime(str(TIMES[form])))
    frame.write_csv(source) if source.suffix == ".csv" else frame.write_parquet(source)


def bare(source: Path, target: Path) -> None:
    """Scan, sort and group with nothing else: no checks, no filters, no ids, no checksums."""
    import polars as pl

    frame = pl.scan_csv(source) if source.suffix == ".csv" else pl.scan_parquet(source)
    if (form := TIMES[source.stem.split("-")[-1]]) is not None:
        frame = frame.with_columns(pl.col("timestamp").str.to_datetime(form))
    grouped = frame.sort("user_id", "timestamp").group_by("user_id", maintain_order=True).agg("item_id", "timestamp")
    grouped.sink_parquet(target / "bare.parquet")


def ours(source: Path, target: Path) -> None:
    """The whole command, five-core included."""
    from adrec_cli.pipeline.preprocess import PreprocessOptions, preprocess

    preprocess(str(source), workspace=target, options=PreprocessOptions(min_interactions=5))


def measure(task: str, source: Path) -> tuple[float, float, float]:
    """Run one task in a fresh process; return seconds, processor seconds and peak resident GiB."""
    with tempfile.TemporaryDirectory(dir=source.parent) as target:
        command = [sys.executable, "-m", "tests.benchmarks.bench_preprocess", "--task", task, str(source), target]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result["seconds"], result["processor_seconds"], result["gib"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 1e7])
    parser.add_argument("--form", nargs="+", default=["csv", "parquet"], choices=["csv", "parquet"])
    parser.add_argument("--time", nargs="+", default=["epoch"], choices=sorted(TIMES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--without-bare", action="store_true", help="the bare query may need more memory than there is")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        task, source, target = chosen.task
        start, used = time.perf_counter(), time.process_time()
        {"bare": bare, "ours": ours}[task](Path(source), Path(target))
        seconds, used = time.perf_counter() - start, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": seconds, "processor_seconds": used, "gib": peak}))
        return
    print(
        f"{'rows':>12} {'form':>8} {'time':>6} {'bare s':>8} {'cpu s':>7} {'GiB':>6} {'adrec s':>8} {'cpu s':>7} "
        f"{'GiB':>6} {'ratio':>6} {'cpu':>5} {'us/row':>7}"
    )
    for form, written in itertools.product(chosen.form, chosen.time):
        for rows in map(int, chosen.rows):
            source = chosen.folder / f"adrec-bench-{rows}-{written}.{form}"
            write_log(source, rows, written)
            plain = (float("nan"),) * 3 if chosen.without_bare else measure("bare", source)
            full = measure("ours", source)
            print(
                f"{rows:12,} {form:>8} {written:>6} {plain[0]:8.2f} {plain[1]:7.2f} {plain[2]:6.2f} {full[0]:8.2f} "
                f"{full[1]:7.2f} {full[2]:6.2f} {full[0] / plain[0]:6.2f} {full[1] / plain[1]:5.2f} "
                f"{1e6 * full[0] / rows:7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
