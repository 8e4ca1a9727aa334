"""The one way a file is written: temporary sibling, fsync, replace, fsync of the folder."""

from __future__ import annotations

import contextlib
import errno
import functools
import glob
import hashlib
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import StorageError
from adrec_cli.wording import option

TEMPORARY_SUFFIX = ".tmp"
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp", re.DOTALL)
_AT_ONCE: Final = 1 << 22
"""Bytes that are hashed at once."""
_being_written: set[str] = set()
"""Temporaries of this process. Others with its process id are of one that died, as in a container that began again."""

_REASONS = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a file stands where a folder is expected",
    errno.EISDIR: "a folder stands where a file is expected",
    errno.EEXIST: "a file stands where a folder is expected",
    errno.ENOENT: "no such file or folder",
    errno.EIO: "the disk reports an input/output error",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOLCK: "the file system gives no locks",
    errno.ENOSYS: "the file system cannot do that",
    errno.EOPNOTSUPP: "the file system cannot do that",
}


def storage_error(action: str, path: Path, error: OSError) -> StorageError:
    """Turn an `OSError` into the one line a user sees.

    Args:
        action: what was tried, such as "write".
        path: the file it was tried on.
        error: what the operating system said.
    """
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StorageError(
        f"could not {action} {path}: {reason}",
        hint=f"free space or choose another place with {option('workspace')}, then run the same command again",
    )


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; on success it takes `path`'s place, whole and synced.

    A reader sees the old file or the new one, never a part. On any failure the temporary file is
    removed and `path` is as it was. Temporaries of writers that died on this machine are removed on the way. The mode
    of a file that is replaced is kept; a new one has what the umask leaves.

    Args:
        path: of the file.
        lasting: whether its name outlives a power cut at once; False where the caller syncs the folder later.

    Raises:
        StorageError: the file system refused.
    """
    temporary = path.with_name(_name_temporary(path.name))
    _being_written.add(temporary.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_replaceable(path)
        _remove_abandoned(path)
        mode = _make_temporary(temporary, path)
        yield temporary
        _sync(temporary, mode)
        os.replace(temporary, path)
        if lasting:
            _sync(path.parent)
    except OSError as error:
        raise storage_error("write", path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        _being_written.discard(temporary.name)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically.

    Raises:
        StorageError: the file system refused.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder outlive a power cut.

    Raises:
        OSError: the file system refused.
    """
    _sync(folder)


def remove_temporaries(folder: Path) -> None:
    """Remove every temporary file of `replacing` in a folder; its caller alone may write there."""
    for leftover in matching_paths(folder, f".*{TEMPORARY_SUFFIX}"):
        if _TEMPORARY.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise storage_error("read", path, error) from error


def find_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file as hexadecimal text; None where there is none, or none any more.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        return file_sha256(path) if path.is_file() else None
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def hash_starts(path: Path, sizes: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Yield each size with the SHA-256 of so many bytes that a file begins with.

    Args:
        path: of the file, which is read as far as it has to be.
        sizes: in bytes, ascending.

    Raises:
        StorageError: the file cannot be read.
    """
    digest, read = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            for size in sizes:
                while chunk := file.read(min(_AT_ONCE, size - read)):
                    digest.update(chunk)
                    read += len(chunk)
                yield size, digest.hexdigest()
    except OSError as error:
        raise storage_error("read", path, error) from error


def file_identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file, or what a link names, is replaced, by the same content too; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _name_temporary(name: str, process_id: int | None = None) -> str:
    """Return what no other writer calls its temporary, who may be on another machine and have the same process id.

    Args:
        name: of the file that is written.
        process_id: of the writer; None for this process.
    """
    writer = os.getpid() if process_id is None else process_id
    return f".{name}.{_name_host()}-{secrets.token_hex(4)}.{writer}{TEMPORARY_SUFFIX}"


@functools.cache
def _name_host() -> str:
    """Return eight digits that tell where process ids count: this machine, or a container on it."""
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:
        # Not Linux: a machine counts its processes once.
        processes = ""
    return hashlib.sha256(f"{socket.gethostname()}/{processes}".encode()).hexdigest()[:8]


def _make_temporary(temporary: Path, path: Path) -> int:
    """Make an empty file of our own and return the mode that it is to have in the end."""
    # Before anything is in it, nobody may read it who may not read the file it replaces.
    before = stat.S_IMODE(path.stat().st_mode) if path.is_file() else None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o666 if before is None else before | stat.S_IWUSR)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode) if before is None else before
    finally:
        os.close(descriptor)


def _sync(path: Path, mode: int | None = None) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if mode is not None:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_replaceable(path: Path) -> None:
    """Refuse to put a file in place of a device or a pipe, which a rename would do.

    Raises:
        StorageError: something that is neither file nor folder is there.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise StorageError(
            f"could not write {path}: it is a device or a pipe, not a file", hint="give the name of a file"
        )


def _remove_abandoned(path: Path) -> None:
    """Remove temporaries of `path` whose writer no longer lives; of those elsewhere nobody here can tell."""
    for leftover in matching_paths(path.parent, f".{glob.escape(path.name)}.{_name_host()}-*{TEMPORARY_SUFFIX}"):
        writer = leftover.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2]
        if writer.isdecimal() and leftover.name not in _being_written and not _is_alive(int(writer)):
            leftover.unlink(missing_ok=True)


def _is_alive(process_id: int) -> bool:
    if process_id == os.getpid():
        return False
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        # It may not be signalled, or the number is no process's, and the file none of ours.
        return True
    return True
