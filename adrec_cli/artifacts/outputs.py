"""Where a command may write what it is asked for: never over an artifact, an input, or what a data set came from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from adrec_cli.artifacts.atomic import hash_starts
from adrec_cli.errors import StorageError, UsageError
from adrec_cli.schema import CHECKPOINT_SUFFIX, ITEMS_FILE, MANIFEST_FILE, PENDING_FILE, REPORTS_FOLDER, SEQUENCES_FILE

_OF_DATASET = {SEQUENCES_FILE, ITEMS_FILE, PENDING_FILE, MANIFEST_FILE}
_OF_REPORTS = {".json", ".jsonl", ".parquet"}
_HINT = "give the name of another file"

STDOUT: Final = Path("-")
"""What stands for standard output in place of a file."""


def require_free_output(out: Path, *, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse a file to write that is something else's.

    Args:
        out: the file.
        inputs: files the command reads.

    Raises:
        UsageError: it is an artifact of a workspace, or one of the inputs.
    """
    for path in inputs:
        if path is not None and is_same_place(out, path):
            raise UsageError(f"{out} is read by this command, so it cannot be written", hint=_HINT)
    if _is_artifact(Path(os.path.abspath(out))) or _is_artifact(out.resolve()):
        raise UsageError(f"{out} is an artifact of a workspace, or lies where only those lie", hint=_HINT)


def require_no_source(out: Path, sources: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to write over what a data set was made from, also where it has grown since.

    Args:
        out: the file.
        sources: as the manifest of the data set has them.

    Raises:
        UsageError: naming the source.
    """
    name = _find_source(out, sources)
    if name is not None:
        raise UsageError(f"{out} is what the data set was made from ({name}), so it cannot be written", hint=_HINT)


def _find_source(out: Path, sources: Iterable[Mapping[str, Any]]) -> str | None:
    if not out.is_file():
        return None
    size = out.stat().st_size
    known: dict[int, dict[str, str]] = {}
    for source in sources:
        if {"bytes", "sha256", "name"} <= source.keys():
            end, name = int(source["bytes"]), str(source["name"])
            if end == size or (name == out.name and end < size):
                known.setdefault(end, {})[source["sha256"]] = name
    with contextlib.suppress(StorageError):
        for end, sha256 in hash_starts(out, sorted(known)):
            if sha256 in known[end]:
                return known[end][sha256]
    return None


def is_same_place(one: Path, other: Path) -> bool:
    """Return whether two paths, which need not be there, are those of one file or folder, by whatever names."""
    with contextlib.suppress(OSError):
        if os.path.samefile(one, other):
            return True
    return one.resolve() == other.resolve()


def _is_artifact(path: Path) -> bool:
    for folder in path.parents:
        if (folder / MANIFEST_FILE).is_file():
            return _is_artifact_of(path.relative_to(folder))
    return False


def _is_artifact_of(inside: Path) -> bool:
    """Whether a path below the folder of a data set is for adrec alone to write."""
    if inside.suffix == CHECKPOINT_SUFFIX or inside.name.startswith("."):
        return True
    if len(inside.parts) == 1:
        return inside.name in _OF_DATASET
    return inside.parts[0] != REPORTS_FOLDER or inside.suffix in _OF_REPORTS
