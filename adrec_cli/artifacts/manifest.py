"""`manifest.json`: what a preprocessed dataset is, what it was made from, and its checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import file_sha256, storage_error, write_bytes
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION, ITEMS_FILE, MANIFEST_FILE, SEQUENCES_FILE

MAX_MANIFEST_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A preprocessed dataset.

    Attributes:
        dataset: its name; the folder in the workspace has the same.
        sources: one mapping a source file: name, sha256, bytes (or the generator and its seed).
        parameters: every preprocessing option as used.
        statistics: users, items, interactions, average_length, density, first_time, last_time.
        sequences_sha256: of `sequences.parquet`.
        items_sha256: of `items.parquet`; a checkpoint belongs to a dataset by this.
        adrec_version: what wrote it.
        format_version: of the artifacts.
    """

    dataset: str
    sources: list[dict[str, Any]]
    parameters: dict[str, Any]
    statistics: dict[str, Any]
    sequences_sha256: str
    items_sha256: str
    adrec_version: str
    format_version: int = field(default=FORMAT_VERSION)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a dataset's folder; it ends with the hash of its own content."""
    content = asdict(manifest)
    content["manifest_sha256"] = _digest(content)
    write_bytes(folder / MANIFEST_FILE, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a dataset's folder, not the files it describes.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
        StorageError: unreadable.
    """
    path = folder / MANIFEST_FILE
    name = folder.name
    content = _read_json_object(path, hint=f"make it with: adrec preprocess {name}")
    again = f"make it anew with: adrec preprocess {name} --force"
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(f"{path} has format version {version!r}, this adrec reads {FORMAT_VERSION}", hint=again)
    digest = content.pop("manifest_sha256", None)
    if digest != _digest(content):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum", hint=again)
    try:
        return Manifest(**content)
    except TypeError as error:
        raise ArtifactError(f"{path} is not a manifest of adrec: {error}", hint=again) from error


def verify_dataset(folder: Path, manifest: Manifest) -> None:
    """Check that both Parquet files are the ones the manifest describes.

    Raises:
        ArtifactError: a file is missing or its SHA-256 differs.
    """
    for file_name, expected in ((SEQUENCES_FILE, manifest.sequences_sha256), (ITEMS_FILE, manifest.items_sha256)):
        path = folder / file_name
        again = f"make it anew with: adrec preprocess {folder.name} --force"
        if not path.is_file():
            raise ArtifactError(f"{path} is missing", hint=again)
        found = file_sha256(path)
        if found != expected:
            raise ArtifactError(
                f"{path} is damaged or was exchanged: sha256 {found[:12]}, the manifest says {expected[:12]}",
                hint=again,
            )


def _read_json_object(path: Path, *, hint: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint=hint) from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    try:
        if len(raw) > MAX_MANIFEST_BYTES:
            raise ValueError(f"larger than {MAX_MANIFEST_BYTES} bytes")
        content = json.loads(raw.decode())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=hint) from error
    return content


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
