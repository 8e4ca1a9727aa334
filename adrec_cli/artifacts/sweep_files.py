"""What a sweep leaves for people and other commands: `sweep.json`, and the figures in `results.parquet`."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from adrec_cli.artifacts.atomic import storage_error, write_bytes
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION, RESULTS_FILE, SWEEP_FILE, SWEEPS_FOLDER

_CHECKSUM = "sweep_sha256"
_AGAIN = "run the sweep again: what is trained is not trained again"

RESULT_COLUMNS = {
    "run": pl.String,
    "key": pl.String,
    "value": pl.String,
    "seed": pl.Int64,
    "part": pl.String,
    "protocol": pl.String,
    "metric": pl.String,
    "metric_value": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "users": pl.Int64,
    "training_seconds": pl.Float64,
    "ranking_seconds": pl.Float64,
    "checkpoint": pl.String,
    "checkpoint_sha256": pl.String,
}
"""Columns of `results.parquet`: a row a run, seed, part and metric; lower and upper bound its 95% interval."""


@dataclass(frozen=True, kw_only=True)
class RunDifference:
    """How a run differs from the base in the metric that decides.

    Attributes:
        run, part, metric: of what.
        seeds: both have, over which each user is averaged.
        value, low, high: mean difference, positive is better than the base, and its 95% interval, a paired bootstrap
            over users.
        p, p_holm: of a paired randomisation test over users, and corrected for all runs of the sweep.
    """

    run: str
    part: str
    metric: str
    seeds: int
    value: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """What `sweep.json` says.

    Attributes:
        dataset, model, name: which sweep.
        command: that makes it again.
        monitor: the metric that runs are compared by.
        sequences_sha256: of the data.
        base: tables of the options that all runs are changes of.
        base_values: what the base has for each varied key, as typed.
        runs: run, key, value and seed of each, in order.
        failed: run, seed and error of those without a result.
        differences: of each run to the base; empty until all runs are done, and where the base was not run.
        results_sha256: of `results.parquet`; "" before the first run is done.
    """

    dataset: str
    model: str
    name: str
    command: str
    monitor: str
    sequences_sha256: str
    base: dict[str, Any]
    base_values: dict[str, str]
    runs: list[dict[str, Any]]
    failed: list[dict[str, Any]] = field(default_factory=list)
    differences: list[RunDifference] = field(default_factory=list)
    results_sha256: str = ""
    format_version: int = FORMAT_VERSION


def write_sweep(folder: Path, record: SweepRecord, results: pl.DataFrame) -> None:
    """Write both files; a reader in between learns that they do not belong together.

    Raises:
        StorageError: the file system refused.
    """
    content = io.BytesIO()
    results.select(pl.col(name).cast(kind) for name, kind in RESULT_COLUMNS.items()).write_parquet(content)
    if len(results):
        write_bytes(folder / RESULTS_FILE, content.getvalue())
    told = asdict(record)
    told["results_sha256"] = hashlib.sha256(content.getbuffer()).hexdigest() if len(results) else ""
    told[_CHECKSUM] = content_sha256(told)
    write_bytes(folder / SWEEP_FILE, (json.dumps(told, indent=2, allow_nan=False) + "\n").encode())


def read_sweep(folder: Path) -> tuple[SweepRecord, pl.DataFrame]:
    """Read and check a sweep's files; the figures are empty before the first run is done.

    Raises:
        ArtifactError: missing, damaged, of another format version, or not belonging together.
        StorageError: unreadable.
    """
    path = folder / SWEEP_FILE
    content = read_json_object(path, hint=_AGAIN)
    refuse_newer(path, content.get("format_version"))
    if not take_checksum(content, _CHECKSUM):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum", hint=_AGAIN)
    if content.get("format_version") != FORMAT_VERSION:
        raise ArtifactError(f"{path} has format version {content.get('format_version')!r}", hint=_AGAIN)
    try:
        record = SweepRecord(**{**content, "differences": _differences(content.get("differences", []))})
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is not of a sweep: {error}", hint=_AGAIN) from error
    if not record.results_sha256:
        return record, pl.DataFrame(schema=RESULT_COLUMNS)
    return record, _read_results(folder / RESULTS_FILE, record.results_sha256)


def _differences(told: list[dict[str, Any]]) -> list[RunDifference]:
    found = [RunDifference(**one) for one in told]
    for one in found:
        if not all(isinstance(value, (int, float)) for value in (one.value, one.low, one.high, one.p, one.p_holm)):
            raise ValueError("a difference is not a number")
    return found


def _read_results(path: Path, sha256: str) -> pl.DataFrame:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint=_AGAIN) from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArtifactError(f"{path} is damaged, or the sweep is still running", hint=_AGAIN)
    table = pl.read_parquet(content)
    if dict(table.schema) != RESULT_COLUMNS:
        raise ArtifactError(f"{path} has the columns {', '.join(table.columns)}", hint=_AGAIN)
    return table


def sweep_folders(dataset_folder: Path) -> list[Path]:
    """Return the folders of a dataset's sweeps, sorted by name."""
    return sorted(path.parent for path in matching_paths(dataset_folder / SWEEPS_FOLDER, f"*/{SWEEP_FILE}"))
