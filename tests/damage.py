"""Files that tests damage, byte by byte."""

from __future__ import annotations

from pathlib import Path


def overwrite(path: Path, content: bytes) -> None:
    """Write a file in place: where it is emptied first, some file systems wait for the disk, and tests do it often."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
