"""What lies below a folder, behind links to other folders too: a model may be kept on another disk."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from adrec_cli.artifacts.atomic import file_identity


def find_below(folder: Path, pattern: str) -> list[Path]:
    """Return the files below a folder whose names match a pattern, sorted; folders that cannot be read hold none.

    Args:
        folder: where to look; a folder that several links lead to is looked into once.
        pattern: of the name, as a shell's.
    """
    return sorted(Path(place, name) for place, names in _walk(folder) for name in fnmatch.filter(names, pattern))


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below one, itself first, with the names of its files."""
    seen: set[tuple[int, ...]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        found = file_identity(Path(place))
        # It may be gone since it was listed.
        if found is None or found[:2] in seen:
            folders.clear()
            continue
        seen.add(found[:2])
        folders.sort()
        yield place, names
