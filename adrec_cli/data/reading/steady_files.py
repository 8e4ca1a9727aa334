"""Files that do not change while they are read: hash and rows are of the same content."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.reading.decoding import unreadable
from adrec_cli.errors import GrowingFileError, InputError, StorageError

FRESH_SECONDS: Final = 2.0
"""A file written so shortly before may change once more within one tick of its file system's clock, unseen."""

Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SteadyFile:
    """A file as it was before it was read.

    Attributes:
        path: where it is.
        sha256: of its bytes.
        stamp: size, times of writing and of change in nanoseconds, inode; before it was hashed.
        fresh: whether it was written so shortly before that the stamp may not show another change.
    """

    path: Path
    sha256: str
    stamp: Stamp
    fresh: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stamp[0]

    def look_again(self) -> SteadyFile:
        """Return the file as it is now, which is hashed only where it may have changed.

        Raises:
            InputError: it cannot be read.
        """
        return look_at(self.path) if self.fresh or _stamp(self.path) != self.stamp else self

    def require_unchanged(self) -> None:
        """Look again, after the file was read.

        Raises:
            GrowingFileError: it changed in between.
        """
        if _stamp(self.path) != self.stamp or (self.fresh and _sha256(self.path) != self.sha256):
            raise GrowingFileError(
                f"{self.path} changed while it was read: what was read may mix two versions of it",
                hint="run the same command again once it is complete",
            )


def look_at(path: Path) -> SteadyFile:
    """Hash a file before it is read.

    Raises:
        InputError: it cannot be read.
    """
    require_regular_file(path)
    looked, stamp = time.time(), _stamp(path)
    fresh = looked - stamp[1] / 1e9 < FRESH_SECONDS
    return SteadyFile(path=path, sha256=_sha256(path), stamp=stamp, fresh=fresh)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except StorageError as error:
        raise InputError(error.message, hint="check the path and its permissions") from error
