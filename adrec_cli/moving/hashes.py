"""Hashes of files, each computed once for as long as a file stays what it is."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.atomic import file_identity, find_sha256


class Hashes:
    """What files contain, by number, size and time of change, so that another name of one is known too."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def find(self, path: Path) -> str | None:
        """Return the SHA-256 of a file, None where there is none.

        Raises:
            StorageError: unreadable.
        """
        identity = file_identity(path)
        if identity is None or not path.is_file():
            return None
        # Not the time at which it got another name.
        key = identity[:4]
        found = self._known.get(key) or find_sha256(path)
        # What took its place meanwhile is not what was looked up.
        if found is not None and (now := file_identity(path)) is not None and now[:4] == key:
            self._known[key] = found
        return found
