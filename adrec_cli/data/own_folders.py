"""Folders outside any data set: of what was downloaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "ADREC_CACHE"
_APPLICATION: Final = "adrec"


def download_folder(dataset: str, workspace: Path) -> Path:
    """Return where the downloads of a named data set are kept: for all workspaces, in this one if there is no home."""
    cache = _cache_folder()
    return former_folder(dataset, workspace) if cache is None else cache / "datasets" / dataset


def former_folder(dataset: str, workspace: Path) -> Path:
    """Return where a workspace kept the downloads of a named data set before all workspaces shared them."""
    return workspace / ".raw" / dataset


def _cache_folder() -> Path | None:
    """Return `ADREC_CACHE`, else the platform's folder for what can be made again."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / _APPLICATION / "Cache"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / _APPLICATION
    # The XDG variables count only if they are absolute.
    given_home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given_home if given_home.is_absolute() else home / ".cache") / _APPLICATION
