"""What was last moved between a data set here and each place elsewhere: it tells what has changed here since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import write_bytes
from adrec_cli.artifacts.json_files import read_json_object
from adrec_cli.errors import ArtifactError

MOVING_SUFFIX: Final = ".moving"
COPIES_FOLDER: Final = "copies"
_MARKS_FILE: Final = "marks.json"
_MARKS_VERSION: Final = 1


def moving_folder(folder: Path) -> Path:
    """Return the folder, beside a data set's, whose lock whoever moves it holds, and where copies lie meanwhile."""
    return folder.with_name(f".{folder.name}{MOVING_SUFFIX}")


def remove_copies(folder: Path) -> None:
    """Remove what a push or a pull that was killed has left of a data set's files; the next one begins again."""
    shutil.rmtree(moving_folder(folder) / COPIES_FOLDER, ignore_errors=True)


def read_marks(folder: Path) -> dict[str, Mapping[str, str]]:
    """Return the hashes by path of all files that were last moved from or to each place, by its address.

    Nothing where they cannot be read: then all that differs here counts as changed here.

    Args:
        folder: of the data set.
    """
    try:
        told = read_json_object(moving_folder(folder) / _MARKS_FILE, hint="")
    except ArtifactError:
        return {}
    places = told.get("places") if told.get("format_version") == _MARKS_VERSION else None
    if not isinstance(places, dict):
        return {}
    return {place: files for place, files in places.items() if isinstance(files, dict)}


def write_mark(folder: Path, place: str, files: Mapping[str, str]) -> None:
    """Remember what a place and a data set have in common now; the caller holds the lock of its `moving_folder`.

    Args:
        folder: of the data set.
        place: address, with nothing secret in it.
        files: hash of each file by its path.

    Raises:
        StorageError: the file system refused.
    """
    told = {"format_version": _MARKS_VERSION, "places": {**read_marks(folder), place: dict(files)}}
    write_bytes(moving_folder(folder) / _MARKS_FILE, (json.dumps(told, indent=1) + "\n").encode())
