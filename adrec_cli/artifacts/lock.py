"""One writer at a time a dataset and model; a lock dies with its holder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from adrec_cli.artifacts.atomic import remove_temporaries, storage_error
from adrec_cli.errors import LockedError

LOCK_FILE = ".lock"
_HOLDER_FILE = ".lock.holder.json"


@contextlib.contextmanager
def exclusive(folder: Path, purpose: str) -> Iterator[None]:
    """Hold the lock of a folder while open.

    The operating system gives the lock back when its holder ends, however it ends, so a dead run never blocks. All who
    write into the folder itself hold its lock, so temporaries found in it belong to the dead and are removed.

    Args:
        folder: of a dataset or of a dataset's model; made when missing, and removed again if nothing is put into it.
        purpose: told to whoever finds it locked.

    Raises:
        LockedError: another process holds it; the message says who and since when.
        StorageError: the folder cannot be written.
    """
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    holder = folder / _HOLDER_FILE
    made = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"{folder} is in use by {_describe(holder)}", hint="wait for it to end, or stop it, then run again"
        ) from error
    except OSError as error:
        raise storage_error("lock", folder, error) from error
    try:
        with contextlib.suppress(OSError):
            remove_temporaries(folder)
        _announce(holder, purpose)
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()
        if made:
            _remove_if_unused(folder)


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder that was made only to hold its lock; whoever works in it has announced himself there."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
            folder.rmdir()


def _announce(holder: Path, purpose: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "purpose": purpose}
    # Only told to others, so it may be torn or missing; the lock itself is the operating system's.
    with contextlib.suppress(OSError):
        holder.write_text(json.dumps(told))


def _describe(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text())
        return f"`adrec {told['purpose']}` (process {told['pid']} on {told['host']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
