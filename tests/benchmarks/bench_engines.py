"""Preprocessing with Spark against Polars on one log in several files; run by hand.

    python -m tests.benchmarks.bench_engines --rows 3e6
    python -m tests.benchmarks.bench_engines --rows 3e7 --files 32

Prints, per engine, seconds, processor seconds of all its processes, and the most memory that the process that begins it
and all of them together took, looked at ten times a second; and whether both made the same bytes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.interaction_logs import generate_log

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def write_log(folder: Path, rows: int, files: int) -> Path:
    """Write a log as Parquet files that stand in the order of time."""
    import polars as pl

    folder.mkdir()
    whole = folder.parent / "whole.parquet"
    generate_log(whole, rows, users=max(1000, min(rows // 10, 1_000_000)), items=200_000)
    each = -(-rows // files)
    for number in range(files):
        part = pl.scan_parquet(whole).slice(number * each, each)
        part.sink_parquet(folder / f"part-{number:04}.parquet")
    whole.unlink()
    return folder


def look_at_processes(root: int) -> dict[int, tuple[float, int]]:
    """Return processor seconds and bytes of memory of a process and all it has started, by their number."""
    parents, seen = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(entry.parent.name)
        parents[process] = int(fields[1])
        seen[process] = ((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE)
    family = {root}
    while grown := {process for process, parent in parents.items() if parent in family} - family:
        family |= grown
    return {process: seen[process] for process in family if process in seen}


def measure(engine: str, source: Path, workspace: Path) -> tuple[float, float, float, float]:
    """Return seconds, processor seconds, and gigabytes at most of the first process and of all."""
    words = ["preprocess", str(source), "--workspace", str(workspace), "--min-interactions", "5", "--name", "log"]
    words += ["--engine", engine, *(["--spark-master", "local[2]"] if engine == "spark" else [])]
    begun = time.perf_counter()
    running = subprocess.Popen([sys.executable, "-m", "adrec_cli", *words], stdout=subprocess.DEVNULL)
    seconds: dict[int, float] = {}
    own = together = 0
    while running.poll() is None:
        seen = look_at_processes(running.pid)
        seconds |= {process: spent for process, (spent, _) in seen.items()}
        own = max(own, seen.get(running.pid, (0.0, 0))[1])
        together = max(together, sum(size for _, size in seen.values()))
        time.sleep(0.1)
    if running.returncode:
        raise SystemExit(f"{engine} ended with {running.returncode}")
    return time.perf_counter() - begun, sum(seconds.values()), own / 1e9, together / 1e9


def main() -> None:
    """Measure both engines on one log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=3e6)
    parser.add_argument("--files", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_log(folder / "events", int(options.rows), options.files)
        made = {}
        for engine in ("polars", "spark"):
            elapsed, spent, own, together = measure(engine, source, folder / engine)
            print(
                f"{engine:7} {elapsed:7.1f} s {spent:7.1f} s of processors, {own:5.2f} GB of its own, "
                f"{together:5.2f} GB with all it started",
                flush=True,
            )
            made[engine] = [file.read_bytes() for file in sorted((folder / engine / "log").glob("*.[pj]*"))]
        print("the same bytes" if made["polars"] == made["spark"] else "OTHER BYTES")


if __name__ == "__main__":
    main()
