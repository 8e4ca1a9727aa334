"""Files elsewhere, read and written whole: in an object store, or in a folder."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from adrec_cli.artifacts.atomic import TEMPORARY_SUFFIX, sync_folder
from adrec_cli.data.addresses import hide_secrets, show_address
from adrec_cli.data.object_stores import check_form, open_store
from adrec_cli.errors import AdrecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyarrow import fs


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of a store.

    Attributes:
        path: as the store is asked for it.
        size: in bytes.
        modified: when it was written, in seconds since 1970 by the store's clock.
    """

    path: str
    size: int
    modified: float


class Store(Protocol):
    """Files by their paths, which have slashes; what fails raises an `OSError`, or an error of Arrow."""

    def list_names(self, folder: str) -> list[str]:
        """Return the names of the files right in a folder, none where it is not there."""

    def list_all(self, folder: str) -> list[Entry]:
        """Return all files in a folder and in those within it, none where it is not there."""

    def look_up(self, paths: Sequence[str]) -> list[Entry | None]:
        """Return each file, None where there is none."""

    def read(self, path: str, most: int) -> bytes:
        """Return the content of a file, cut off where it is longer than `most`."""

    def write(self, path: str, content: bytes) -> None:
        """Put a file there, or another in its place; whoever reads finds all of the one or of the other."""

    def remove(self, path: str) -> None:
        """Remove a file, which is there."""


class FolderStore:
    """Files in a folder of this machine, or of one that it has mounted."""

    def __init__(self, address: str) -> None:
        self.root = Path(address.removeprefix("file://")).absolute()

    def list_names(self, folder: str) -> list[str]:
        """Return the names of the files right in a folder."""
        place = self.root / folder
        return [one.name for one in place.iterdir() if one.is_file()] if place.is_dir() else []

    def list_all(self, folder: str) -> list[Entry]:
        """Return all files in a folder and in those within it."""
        found = (Path(place, name) for place, _, names in os.walk(self.root / folder) for name in names)
        entries = self.look_up([one.relative_to(self.root).as_posix() for one in found])
        return [one for one in entries if one is not None]

    def look_up(self, paths: Sequence[str]) -> list[Entry | None]:
        """Return each file; what is not a regular file, such as a pipe, is none."""
        return [self._look_up(path) for path in paths]

    def _look_up(self, path: str) -> Entry | None:
        try:
            found = (self.root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return Entry(path=path, size=found.st_size, modified=found.st_mtime)

    def read(self, path: str, most: int) -> bytes:
        """Return the content of a file."""
        if not (self.root / path).is_file():
            raise FileNotFoundError("there is no such file")
        with open(self.root / path, "rb") as file:
            return file.read(most)

    def write(self, path: str, content: bytes) -> None:
        """Put a file there."""
        target = self.root / path
        # Machines that share the folder may have processes of one number, and know nothing of each other's.
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
            sync_folder(target.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file."""
        (self.root / path).unlink()


class ObjectStore:
    """Objects below a prefix."""

    def __init__(self, address: str) -> None:
        self._store, self._root = open_store(check_form(address))

    def list_names(self, folder: str) -> list[str]:
        """Return the names of the objects right below a folder."""
        from pyarrow import fs

        found = self._store.get_file_info(fs.FileSelector(f"{self._root}/{folder}", allow_not_found=True))
        return [one.base_name for one in found if one.type == fs.FileType.File]

    def list_all(self, folder: str) -> list[Entry]:
        """Return all objects below a folder."""
        from pyarrow import fs

        place = fs.FileSelector(f"{self._root}/{folder}", allow_not_found=True, recursive=True)
        return [one for one in map(self._describe, self._store.get_file_info(place)) if one is not None]

    def look_up(self, paths: Sequence[str]) -> list[Entry | None]:
        """Return each object."""
        return [self._describe(one) for one in self._store.get_file_info([f"{self._root}/{path}" for path in paths])]

    def _describe(self, found: fs.FileInfo) -> Entry | None:
        from pyarrow import fs

        if found.type != fs.FileType.File:
            return None
        modified = (found.mtime_ns or 0) / 1e9
        return Entry(path=found.path.removeprefix(f"{self._root}/"), size=found.size, modified=modified)

    def read(self, path: str, most: int) -> bytes:
        """Return the content of an object."""
        # Arrow would decompress by the name's ending.
        with self._store.open_input_stream(f"{self._root}/{path}", compression=None) as file:
            return bytes(file.read(most))

    def write(self, path: str, content: bytes) -> None:
        """Put an object there."""
        # In a thread that no signal stops: a stream that is closed early is taken for the whole object.
        with ThreadPoolExecutor(1) as alone:
            alone.submit(self._write, path, content).result()

    def remove(self, path: str) -> None:
        """Remove an object."""
        self._store.delete_file(f"{self._root}/{path}")

    def _write(self, path: str, content: bytes) -> None:
        with self._store.open_output_stream(f"{self._root}/{path}", compression=None) as file:
            file.write(content)


_WHO_MAY: Final = "check the address, and that the store's usual variables or files name who may use it"
_CHECK_DISK: Final = "check the path and the disk"


@contextlib.contextmanager
def naming_store(address: str, path: str, kind: type[AdrecError], action: str) -> Iterator[None]:
    """Turn what a store raises into an error that shows nothing secret.

    Args:
        address: that the store was opened with.
        path: in it.
        kind: of error.
        action: what was tried, such as "read".
    """
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        where = f"{show_address(address).rstrip('/')}/{path}".rstrip("/")
        hint = _WHO_MAY if address.partition("://")[0].lower() in OBJECT_STORES else _CHECK_DISK
        raise kind(f"could not {action} {where}: {hide_secrets(str(error), address)}", hint=hint) from None


OBJECT_STORES: Final[Mapping[str, Callable[[str], Store]]] = MappingProxyType(
    {"s3": ObjectStore, "gs": ObjectStore, "az": ObjectStore}
)
"""What is opened at an address, by how it begins."""
STORES: Final[Mapping[str, Callable[[str], Store]]] = MappingProxyType({"file": FolderStore, **OBJECT_STORES})
"""The same, with folders."""
