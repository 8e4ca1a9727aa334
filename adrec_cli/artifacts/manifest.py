"""`manifest.json`: what a preprocessed dataset is, what it was made from, and its checksums."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.json_files import content_sha256, read_json_object, take_checksum
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import MANIFEST_FILE

MANIFEST_VERSION: Final = 2
"""Written since manifests remember how the data were read."""
READABLE_VERSIONS: Final = (1, MANIFEST_VERSION)
KEEP_DATA: Final = 3
"""Former generations of a data set that stay unless something else was asked for."""
DATASET_NAME = r"[\w][\w .+-]{0,99}"
"""What the name of a data set looks like; it is the name of its folder too."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A preprocessed dataset.

    Attributes:
        dataset: its name; the folder in the workspace has the same.
        sources: one mapping a source file: name, sha256, bytes (or the generator and its seed).
        parameters: every preprocessing option as asked for, and what was found.
        statistics: users, items, interactions, average_length, density, first_time, last_time.
        sequences_sha256: of `sequences.parquet`.
        items_sha256: of `items.parquet`; a checkpoint belongs to a dataset by this.
        adrec_version: what wrote it.
        reading: all that is needed to read the next file as the first was read, and what was assumed; {} in format 1.
        pending_sha256: of `pending.parquet`, what the filters hold back for updates; None where nothing is kept.
        generation: its number among all that the data set has been; a change gives the next one.
        former: the generation it was made from, which `adrec rollback --data` goes back to; 0 where there is none.
        keep_data: how many former generations stay.
        withdrawn: sources that were gone back from, as in `sources`; they are not taken again by themselves.
        forgotten: of users who left: "salt", "users" (a salted hash each), and "sequences", the sha256 of files that
            held them; {} where nobody did.
        format_version: of the manifest.
    """

    dataset: str
    sources: list[dict[str, Any]]
    parameters: dict[str, Any]
    statistics: dict[str, Any]
    sequences_sha256: str
    items_sha256: str
    adrec_version: str
    reading: dict[str, Any] = field(default_factory=dict)
    pending_sha256: str | None = None
    generation: int = 1
    former: int = 0
    keep_data: int = KEEP_DATA
    withdrawn: list[dict[str, Any]] = field(default_factory=list)
    forgotten: dict[str, Any] = field(default_factory=dict)
    format_version: int = MANIFEST_VERSION


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a dataset's folder; it ends with the hash of its own content."""
    content = asdict(manifest)
    content["manifest_sha256"] = content_sha256(content)
    write_bytes(folder / MANIFEST_FILE, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a dataset's folder, not the files it describes.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
        StorageError: unreadable.
    """
    return read_manifest_file(folder / MANIFEST_FILE, folder)


def read_manifest_file(path: Path, folder: Path) -> Manifest:
    """Read and check a manifest that may lie elsewhere than in the data set's folder, errors as above."""
    again = advise_repair(folder)
    content = read_json_object(path, hint=again)
    version = content.get("format_version")
    refuse_newer(path, version, newest=max(READABLE_VERSIONS))
    if type(version) is not int or version not in READABLE_VERSIONS:
        raise ArtifactError(f"{path} has format version {version!r}, this adrec reads 1 and 2", hint=again)
    if not take_checksum(content, "manifest_sha256"):
        raise ArtifactError(f"{path} is damaged: its content does not match its own checksum", hint=again)
    try:
        manifest = Manifest(**content)
        _require_types(manifest)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is not a manifest of adrec: {error}", hint=again) from error
    return manifest


def _require_types(manifest: Manifest) -> None:
    """Refuse a manifest whose checksum is right but whose content nobody could have written.

    Raises:
        ValueError: naming the field.
    """
    if not isinstance(manifest.dataset, str) or not re.fullmatch(DATASET_NAME, manifest.dataset):
        raise ValueError(f"dataset {manifest.dataset!r} cannot name a folder")
    if not isinstance(manifest.sources, list) or not all(isinstance(source, dict) for source in manifest.sources):
        raise ValueError("sources is not a list of tables")
    if not isinstance(manifest.parameters, dict) or not isinstance(manifest.parameters.get("found", {}), dict):
        raise ValueError("parameters is not a table")
    if not isinstance(manifest.reading, dict) or not isinstance(manifest.reading.get("columns", {}), dict):
        raise ValueError("reading is not a table")
    if any(
        type(number) is not int or number < 0 for number in (manifest.generation, manifest.former, manifest.keep_data)
    ):
        raise ValueError("generation, former and keep_data are not counts")
    if not isinstance(manifest.withdrawn, list) or not all(isinstance(source, dict) for source in manifest.withdrawn):
        raise ValueError("withdrawn is not a list of tables")
    _require_forgotten(manifest.forgotten)
    if not isinstance(manifest.statistics, dict):
        raise ValueError("statistics is not a table")
    for name in ("users", "items", "interactions"):
        if type(manifest.statistics.get(name)) is not int or not 0 < manifest.statistics[name] < 2**63:
            raise ValueError(f"statistics.{name} is not a count")
    for name in ("sequences_sha256", "items_sha256"):
        if not re.fullmatch("[0-9a-f]{64}", str(getattr(manifest, name))):
            raise ValueError(f"{name} is not a SHA-256")
    if manifest.pending_sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(manifest.pending_sha256)):
        raise ValueError("pending_sha256 is not a SHA-256")


def _require_forgotten(forgotten: object) -> None:
    if forgotten == {}:
        return
    if not isinstance(forgotten, dict) or set(forgotten) != {"salt", "users", "sequences"}:
        raise ValueError("forgotten is not a table of salt, users and sequences")
    if not re.fullmatch("([0-9a-f]{2}){16,64}", str(forgotten["salt"])):
        raise ValueError("forgotten.salt is not a salt")
    for name in ("users", "sequences"):
        if not isinstance(forgotten[name], list) or not all(isinstance(one, str) for one in forgotten[name]):
            raise ValueError(f"forgotten.{name} is not a list of hashes")
