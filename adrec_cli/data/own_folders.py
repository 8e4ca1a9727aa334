"""Folders outside any workspace: of what was downloaded, and of the user's own data set descriptions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "ADREC_CACHE"
OWN_DATASETS_VARIABLE: Final = "ADREC_DATASETS"
_APPLICATION: Final = "adrec"


def download_folder(dataset: str, workspace: Path) -> Path:
    """Return where the downloads of a named data set are kept: for all workspaces, in this one if there is no home."""
    cache = _cache_folder()
    return former_folder(dataset, workspace) if cache is None else cache / "datasets" / dataset


def former_folder(dataset: str, workspace: Path) -> Path:
    """Return where a workspace kept the downloads of a named data set before all workspaces shared them."""
    return workspace / ".raw" / dataset


def own_datasets_folder() -> Path | None:
    """Return where the user's own descriptions lie: `ADREC_DATASETS`, else the platform's; None if there is no home."""
    return _folder(OWN_DATASETS_VARIABLE, "XDG_DATA_HOME", ".local/share", "Application Support", "datasets")


def _cache_folder() -> Path | None:
    """Return `ADREC_CACHE`, else the platform's folder for what can be made again; None if there is no home."""
    return _folder(CACHE_VARIABLE, "XDG_CACHE_HOME", ".cache", "Caches", "")


def _folder(variable: str, xdg_variable: str, below_home: str, in_library: str, inside: str) -> Path | None:
    """Return the folder a variable names, else the platform's own with what lies inside."""
    if given := os.environ.get(variable):
        return Path(given)
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / _APPLICATION / (inside or "cache")
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / in_library / _APPLICATION / inside
    # The XDG variables count only if they are absolute.
    given_home = Path(os.environ.get(xdg_variable, ""))
    return (given_home if given_home.is_absolute() else home / below_home) / _APPLICATION / inside
