"""Where a command may write what it is asked for: never over an artifact, nor over a file it reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from adrec_cli.errors import UsageError
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
        if path is not None and _is_same(out, path):
            raise UsageError(f"{out} is read by this command, so it cannot be written", hint=_HINT)
    if _is_artifact(Path(os.path.abspath(out))) or _is_artifact(out.resolve()):
        raise UsageError(f"{out} is an artifact of a workspace, or lies where only those lie", hint=_HINT)


def _is_same(out: Path, path: Path) -> bool:
    with contextlib.suppress(OSError):
        if os.path.samefile(out, path):
            return True
    return out.resolve() == path.resolve()


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
