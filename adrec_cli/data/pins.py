"""What a published file must contain: its SHA-256, or another checksum where only that is published, and its size."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.wording import say_count

_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Pin:
    """What a file must contain, as far as it is known.

    Attributes:
        sha256: of its bytes; "" where nobody has recorded it.
        git_blob: git's id of the content, the SHA-1 of "blob SIZE", a zero byte and the bytes; "" where not known.
        md5: of its bytes, where its makers publish only that; it tells damage, and https keeps others from changing it.
        bytes: its size; None where not known.
    """

    sha256: str = ""
    git_blob: str = ""
    md5: str = ""
    bytes: int | None = None

    @property
    def known(self) -> bool:
        """Whether a checksum tells the file from any other."""
        return bool(self.sha256 or self.git_blob or self.md5)

    def fault(self, path: Path) -> str:
        """Return how a file differs, as "sha256 0123..., expected 4567..."; "" if it is the one.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            size = path.stat().st_size
            if self.bytes is not None and size != self.bytes:
                return f"{say_count(size, 'byte')}, expected {self.bytes:,}"
            digests = {
                "sha256": hashlib.sha256(),
                "git blob": hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False),
                "md5": hashlib.md5(usedforsecurity=False),
            }
            known = {"sha256": self.sha256, "git blob": self.git_blob, "md5": self.md5}
            wanted = {name: value for name, value in known.items() if value}
            if not wanted:
                return ""
            with open(path, "rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    for name in wanted:
                        digests[name].update(chunk)
        except OSError as error:
            raise storage_error("read", path, error) from error
        for name, value in wanted.items():
            if (found := digests[name].hexdigest()) != value:
                return f"{name} {found[:12]}..., expected {value[:12]}..."
        return ""


@dataclass(frozen=True, kw_only=True)
class Download(Pin):
    """A file that is published.

    Attributes:
        urls: https addresses of the same content, in the order they are tried.
    """

    urls: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("a download names no address")
        for url in self.urls:
            if not url.startswith("https://"):
                raise ValueError(f"address {url!r} is not https")
        if not re.fullmatch("([0-9a-f]{64})?", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} has not 64 digits 0-9 and a-f")
        if not re.fullmatch("([0-9a-f]{40})?", self.git_blob):
            raise ValueError(f"git_blob {self.git_blob!r} has not 40 digits 0-9 and a-f")
        if not re.fullmatch("([0-9a-f]{32})?", self.md5):
            raise ValueError(f"md5 {self.md5!r} has not 32 digits 0-9 and a-f")

    @property
    def name(self) -> str:
        """Return what the file is called where it is published."""
        return self.urls[0].rpartition("/")[2]
