"""What a manifest says of the files that a data set was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FOLDERS: Final = "folders"
"""Key of a source: the folders of its file whose names say a value, `day=2024-01-31`."""


def identify_source(source: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return what a file is known by: its bytes, and what the names of its folders say."""
    return source.get("sha256"), source.get(FOLDERS, "")
