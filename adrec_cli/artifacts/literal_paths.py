"""Paths as Polars takes them literally."""

from __future__ import annotations

import glob
from pathlib import Path


def literal(path: Path) -> str:
    """Return a path for a reader of Polars, which would expand `*`, `?` and `[...]` and read other files, or none."""
    return glob.escape(str(path))
