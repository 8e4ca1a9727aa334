"""What a sweep leaves for people and other commands: `sweep.json`, and the figures in `results.parquet`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from adrec_cli.artifacts.atomic import file_identity, storage_error, sync_folder, write_bytes
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError, StorageError
from adrec_cli.schema import FORMAT_VERSION, RESULTS_FILE, SWEEP_FILE, SWEEPS_FOLDER

_CHECKSUM = "sweep_sha256"
_NEXT_SUFFIX = ".next"
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
    """Write both files; whoever reads finds the old two or the new two.

    The figures are written under a name of their own content first; the new record is the moment of change; then they
    take their place. The caller holds the lock of the sweep.

    Raises:
        StorageError: the file system refused.
    """
    content = io.BytesIO()
    results.select(pl.col(name).cast(kind) for name, kind in RESULT_COLUMNS.items()).write_parquet(content)
    sha256 = hashlib.sha256(content.getbuffer()).hexdigest() if len(results) else ""
    if sha256:
        write_bytes(first_results_path(folder, sha256), content.getvalue())
    told = asdict(record)
    told["results_sha256"] = sha256
    told[_CHECKSUM] = content_sha256(told)
    write_bytes(folder / SWEEP_FILE, (json.dumps(told, indent=2, allow_nan=False) + "\n").encode())
    settle_sweep(folder, sha256)


def settle_sweep(folder: Path, results_sha256: str) -> None:
    """Move the figures of a sweep to their place, and remove those of writers that were killed.

    Raises:
        StorageError: the file system refused.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.replace(first_results_path(folder, results_sha256), folder / RESULTS_FILE)
            sync_folder(folder)
        for leftover in matching_paths(folder, f".{RESULTS_FILE}.*{_NEXT_SUFFIX}"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("write", folder / RESULTS_FILE, error) from error


def first_results_path(folder: Path, results_sha256: str) -> Path:
    """Return where the figures of a sweep lie before they take their place."""
    return folder / f".{RESULTS_FILE}.{results_sha256[:16]}{_NEXT_SUFFIX}"


def find_unsettled_results(folder: Path) -> Path | None:
    """Return the file in which the figures of a sweep still lie under their first name; None where they do not.

    Raises:
        ArtifactError: the record of the sweep is damaged.
    """
    first = first_results_path(folder, _read_record(folder / SWEEP_FILE).results_sha256)
    return first if first.is_file() else None


def read_sweep(folder: Path) -> tuple[SweepRecord, pl.DataFrame]:
    """Read and check a sweep's files; the figures are empty before the first run is done.

    Raises:
        ArtifactError: missing, damaged, of another format version, or not belonging together.
        StorageError: unreadable.
    """
    path = folder / SWEEP_FILE
    while True:
        identity = file_identity(path)
        record = _read_record(path)
        if not record.results_sha256:
            return record, pl.DataFrame(schema=RESULT_COLUMNS)
        try:
            return record, _read_results(folder, record.results_sha256)
        except (ArtifactError, StorageError):
            if file_identity(path) == identity:
                raise


def _read_record(path: Path) -> SweepRecord:
    content = read_json_object(path, hint=_AGAIN)
    refuse_newer(path, content.get("format_version"))
    if not take_checksum(content, _CHECKSUM):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum", hint=_AGAIN)
    if content.get("format_version") != FORMAT_VERSION:
        raise ArtifactError(f"{path} has format version {content.get('format_version')!r}", hint=_AGAIN)
    try:
        return SweepRecord(**{**content, "differences": _differences(content.get("differences", []))})
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is not of a sweep: {error}", hint=_AGAIN) from error


def _differences(told: list[dict[str, Any]]) -> list[RunDifference]:
    found = [RunDifference(**one) for one in told]
    for one in found:
        if not all(isinstance(value, (int, float)) for value in (one.value, one.low, one.high, one.p, one.p_holm)):
            raise ValueError("a difference is not a number")
    return found


def _read_results(folder: Path, sha256: str) -> pl.DataFrame:
    path = folder / RESULTS_FILE
    content = _read_if_there(first_results_path(folder, sha256))
    if content is None:
        # Looked at second: a writer may just have moved the one to the other.
        content = _read_if_there(path)
    if content is None:
        raise ArtifactError(f"{path} does not exist", hint=_AGAIN)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ArtifactError(f"{path} is damaged, or the sweep is still running", hint=_AGAIN)
    table = pl.read_parquet(content)
    if dict(table.schema) != RESULT_COLUMNS:
        raise ArtifactError(f"{path} has the columns {', '.join(table.columns)}", hint=_AGAIN)
    return table


def _read_if_there(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error("read", path, error) from error


def sweep_folders(dataset_folder: Path) -> list[Path]:
    """Return the folders of a dataset's sweeps, sorted by name."""
    return sorted(path.parent for path in matching_paths(dataset_folder / SWEEPS_FOLDER, f"*/{SWEEP_FILE}"))
