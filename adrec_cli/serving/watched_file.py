"""A file that is looked at again and again, and hashed only when it may have changed."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.data.reading.steady_files import SteadyFile, look_at
from adrec_cli.errors import InputError


class WatchedFile:
    """A file whose hash is kept until its size, its times or its inode show a change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: SteadyFile | None = None

    def sha256(self) -> str:
        """Return the hash of the file as it is; "" while it is being replaced."""
        try:
            self._seen = look_at(self._path) if self._seen is None else self._seen.look_again()
        except InputError:
            return ""
        return self._seen.sha256
