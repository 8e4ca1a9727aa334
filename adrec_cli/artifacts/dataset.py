"""The files of a dataset change together: what a reader finds is all old or all new, at any moment."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import (
    find_sha256,
    remove_temporaries,
    replacing,
    storage_error,
    sync_folder,
    write_bytes,
)
from adrec_cli.artifacts.manifest import Manifest, read_manifest, write_manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import ITEMS_FILE, MANIFEST_FILE, PENDING_FILE, SEQUENCES_FILE

NEXT_SUFFIX = ".next"


@dataclass(frozen=True)
class DatasetFiles:
    """Where the two Parquet files that belong to a manifest are."""

    sequences: Path
    items: Path


def next_file(folder: Path, file_name: str) -> contextlib.AbstractContextManager[Path]:
    """Yield where to write a file that is to become `folder / file_name`; only `commit_dataset` makes its name last.

    Raises:
        StorageError: the file system refused.
    """
    return replacing(next_path(folder, file_name), lasting=False)


def next_path(folder: Path, file_name: str) -> Path:
    """Return where a writer puts a file that is to become `folder / file_name` with `commit_dataset`."""
    return folder / f".{file_name}{NEXT_SUFFIX}"


def commit_dataset(folder: Path, manifest: Manifest, *, written: Path | None = None) -> None:
    """Make the files at `next_path` and their manifest the dataset of a folder, at once.

    The files first get names of their own content; the new manifest is the moment of change; then they take their
    places. Whoever reads a manifest finds its files in either place. The caller holds the folder's lock.

    Args:
        folder: of the data set.
        manifest: of what it becomes.
        written: a file that holds this manifest already, and whose bytes are taken.

    Raises:
        StorageError: the file system refused; what a reader finds is all old or all new.
    """
    try:
        for file_name, sha256 in list_hashed_files(manifest):
            os.replace(next_path(folder, file_name), _name_by_content(folder, file_name, sha256))
        sync_folder(folder)
        if written is None:
            write_manifest(folder, manifest)
        else:
            write_bytes(folder / MANIFEST_FILE, written.read_bytes())
        _settle(folder, manifest)
    except OSError as error:
        raise storage_error("write", folder, error) from error


def settle_files(folder: Path) -> None:
    """Move files of a committed data set to their places and remove those of writers that were killed.

    Raises:
        OSError: the file system refused.
    """
    with contextlib.suppress(ArtifactError):
        _settle(folder, read_manifest(folder))
    for leftover in matching_paths(folder, f".*{NEXT_SUFFIX}"):
        leftover.unlink(missing_ok=True)
    remove_temporaries(folder)


def verify_files(folder: Path, manifest: Manifest) -> dict[str, Path]:
    """Check all files that a manifest describes, and return where each is, by its name.

    Raises:
        ArtifactError: a file is missing or its SHA-256 differs.
        StorageError: unreadable.
    """
    return {name: _verify(folder, name, sha256) for name, sha256 in list_hashed_files(manifest)}


def verify_dataset(folder: Path, manifest: Manifest) -> DatasetFiles:
    """Check that both Parquet files are the ones the manifest describes, and return where they are.

    Nothing in them is parsed before their SHA-256 is known to be right. What waits beside them is not looked at: only
    updates need it, and `verify_pending` checks it.

    Raises:
        ArtifactError: a file is missing or its SHA-256 differs.
        StorageError: unreadable.
    """
    sequences = _verify(folder, SEQUENCES_FILE, manifest.sequences_sha256)
    return DatasetFiles(sequences=sequences, items=_verify(folder, ITEMS_FILE, manifest.items_sha256))


def verify_pending(folder: Path, manifest: Manifest) -> Path | None:
    """Check that `pending.parquet` is the one the manifest describes, and return where it is; None if it names none.

    Raises:
        ArtifactError: the file is missing or its SHA-256 differs.
        StorageError: unreadable.
    """
    return None if manifest.pending_sha256 is None else _verify(folder, PENDING_FILE, manifest.pending_sha256)


def file_names(manifest: Manifest) -> list[str]:
    """Return the names of the Parquet files that a manifest describes."""
    return [name for name, _ in list_hashed_files(manifest)]


def _verify(folder: Path, file_name: str, sha256: str) -> Path:
    path, committed = folder / file_name, _name_by_content(folder, file_name, sha256)
    # A writer may move the one to the other meanwhile.
    if find_sha256(committed) == sha256:
        return committed
    found = find_sha256(path)
    if found == sha256:
        return path
    again = advise_repair(folder)
    if found is None:
        raise ArtifactError(f"{path} is missing", hint=again)
    raise ArtifactError(
        f"{path} is damaged or was replaced: sha256 {found[:12]}, the manifest says {sha256[:12]}", hint=again
    )


def _settle(folder: Path, manifest: Manifest) -> None:
    """Move committed files to their places."""
    for file_name, sha256 in list_hashed_files(manifest):
        committed = _name_by_content(folder, file_name, sha256)
        if find_sha256(committed) == sha256:
            os.replace(committed, folder / file_name)
    if manifest.pending_sha256 is None:
        (folder / PENDING_FILE).unlink(missing_ok=True)
    sync_folder(folder)


def list_hashed_files(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """Return name and SHA-256 of each Parquet file that a manifest describes."""
    files = ((SEQUENCES_FILE, manifest.sequences_sha256), (ITEMS_FILE, manifest.items_sha256))
    return files if manifest.pending_sha256 is None else (*files, (PENDING_FILE, manifest.pending_sha256))


def _name_by_content(folder: Path, file_name: str, sha256: str) -> Path:
    return folder / f".{file_name}.{sha256[:16]}{NEXT_SUFFIX}"
