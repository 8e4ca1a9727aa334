"""Hashes of files, each computed once for as long as a file stays what it is."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.atomic import file_sha256


class Hashes:
    """What files contain, by number, size and time of change, so that another name of one is known too."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], str] = {}

    def find(self, path: Path) -> str | None:
        """Return the SHA-256 of a file, None where there is none.

        Raises:
            StorageError: unreadable.
        """
        if not path.is_file():
            return None
        told = path.stat()
        key = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)
        if key not in self._known:
            self._known[key] = file_sha256(path)
        return self._known[key]
