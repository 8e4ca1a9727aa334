"""The paths that match a pattern, in folders that others may move or remove meanwhile."""

from __future__ import annotations

import contextlib
from pathlib import Path

_TRIES = 1_000


def matching_paths(folder: Path, pattern: str) -> list[Path]:
    """Return what lies below a folder and matches a pattern, in no order; nothing where there is no such folder.

    Before Python 3.13 `Path.glob` ends with an error where a folder is gone between being seen and being looked into.
    Then it is looked again.

    Args:
        folder: to look into.
        pattern: as of `Path.glob`.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return list(folder.glob(pattern))
    return list(folder.glob(pattern))
