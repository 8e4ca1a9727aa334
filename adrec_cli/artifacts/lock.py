"""One writer at a time of a data set and of a model; a lock dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from adrec_cli.artifacts.atomic import remove_temporaries, storage_error
from adrec_cli.artifacts.below import find_below
from adrec_cli.errors import LockedError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.wording import option

LOCK_FILE: Final = ".lock"
_HOLDER_FILE: Final = ".lock.holder.json"
_GATE_FOLDER: Final = ".all"
"""In a data set's folder; whoever holds its lock holds, or is about to, all that there are in the folder."""
_LOOK_AGAIN_SECONDS: Final = 0.2
_LOOKED_AT_SECONDS: Final = 0.02
_MOST_LOOKS: Final = 5
"""How often, and after how long, a lock is tried again that perhaps somebody only looks at, as `find_holder` does."""
_MOST_VANISHED: Final = 100
_LONGEST_HOLDER: Final = 10_000
# A link or a pipe that somebody laid there is neither followed nor waited for.
_AS_IT_LIES: Final = os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, kw_only=True)
class LockAwaited:
    """A command waits for a lock.

    Attributes:
        folder: that is locked.
        holder: who holds it, and since when.
    """

    folder: Path
    holder: str


@dataclass(kw_only=True)
class Waited:
    """How long a command has waited for locks so far.

    Attributes:
        seconds: spent waiting, not working.
    """

    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What a command does that finds a lock taken.

    Attributes:
        seconds: it waits, for all locks it takes together, before it gives up; 0 gives up at once, infinity never.
        on_event: called with `LockAwaited` when it begins to wait, and when another has taken the lock before it.
        waited: how much of that is spent.
    """

    seconds: float = 0.0
    on_event: OnEvent = ignore
    waited: Waited = field(default_factory=Waited)

    @contextlib.contextmanager
    def turn(self) -> Iterator[Callable[[], float]]:
        """Yield what tells how many seconds are left, for the time in which a command waits for one lock."""
        began, before = time.monotonic(), self.waited.seconds
        try:
            yield lambda: self.seconds - before - (time.monotonic() - began)
        finally:
            self.waited.seconds = before + (time.monotonic() - began)


AT_ONCE: Final = Waiting()


@contextlib.contextmanager
def exclusive(folder: Path, purpose: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
    """Hold the lock of a folder while open.

    The operating system gives the lock back when its holder ends, however it ends, so a dead run never blocks. All who
    write into the folder itself hold its lock, or are in `one_at_a_time`, so temporaries found in it belong to the dead
    and are removed.

    Args:
        folder: of a dataset or of a dataset's model; made when missing, and removed again if nothing is put into it.
        purpose: shown to whoever finds it locked.
        waiting: for how long, if another holds it.

    Raises:
        LockedError: another process holds it; the message says who and since when.
        StorageError: the folder cannot be written.
    """
    # Without locks a file would stand in for one: it outlives its holder, and ours lies there all the time.
    lock = FileLock(folder / LOCK_FILE, timeout=0, fallback_to_soft=False)
    holder = folder / _HOLDER_FILE
    made = not folder.is_dir()
    _acquire(lock, folder, waiting)
    try:
        _announce(holder, purpose)
        with contextlib.suppress(OSError), one_at_a_time(folder):
            remove_temporaries(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        if made:
            # While the lock is held: behind it, the file would be that of whoever takes it next.
            _remove_if_unused(folder)
        lock.release()


@contextlib.contextmanager
def exclusive_with_all_inside(folder: Path, purpose: str, waiting: Waiting = AT_ONCE) -> Iterator[None]:
    """Hold the lock of a dataset's folder and of every folder in it that ever was locked: models, seeds, sweeps.

    Nor does anything begin meanwhile that takes its locks by `exclusive_to_learn`. Arguments and errors as `exclusive`.
    """
    gate = folder / _GATE_FOLDER
    with contextlib.ExitStack() as held:
        held.enter_context(exclusive(folder, purpose, waiting))
        held.enter_context(exclusive(gate, purpose, waiting))
        for path in find_below(folder, LOCK_FILE):
            if path.parent not in (folder, gate):
                held.enter_context(exclusive(path.parent, purpose, waiting))
        yield


@contextlib.contextmanager
def exclusive_to_learn(
    dataset: Path, folders: Iterable[Path], purpose: str, waiting: Waiting = AT_ONCE
) -> Iterator[None]:
    """Hold the locks of folders, perhaps new ones, in which something learns from a data set.

    Nobody leaves the data that are read behind this until the locks are given back: `adrec forget`, which needs all
    locks there are, finds these taken, and what begins while it has them waits here or is refused.

    Args:
        dataset: folder of the data set.
        folders: in it.
        purpose, waiting: as `exclusive`.

    Raises:
        LockedError, StorageError: as `exclusive`.
    """
    while True:
        with contextlib.ExitStack() as held:
            for folder in sorted(folders):
                held.enter_context(exclusive(folder, purpose, waiting))
            if not _is_held(dataset / _GATE_FOLDER / LOCK_FILE):
                yield
                return
        # Nothing is held meanwhile: the other may be waiting for it.
        _await_gate(dataset, waiting)


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Change files of a folder that commands write into without its lock, for the moment that takes, one by one.

    Whoever is in it waits for nothing. It leaves no file; where the file system locks no folders nobody is kept out.

    Args:
        folder: made when missing.
    """
    with contextlib.ExitStack() as held:
        # What is wrong with the folder is said by whoever writes into it.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def find_holder(folder: Path) -> str:
    """Return who holds the lock of a folder, "" where nobody does, or nobody can tell.

    Only the lock itself is believed: what a holder wrote of itself outlives it, and its number becomes another's.
    """
    return _describe(folder / _HOLDER_FILE) if _is_held(folder / LOCK_FILE) else ""


def _is_held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY | _AS_IT_LIES)
    except OSError:
        return False
    try:
        # Shared, so that those who look do not see each other; let go at once, and `_try` asks again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _await_gate(dataset: Path, waiting: Waiting) -> None:
    gate, told = dataset / _GATE_FOLDER, ""
    with waiting.turn() as seconds_left:
        while who := find_holder(gate):
            if seconds_left() < 0:
                raise _in_use(dataset, who, waiting)
            if who != told:
                told = who
                waiting.on_event(LockAwaited(folder=dataset, holder=who))
            time.sleep(_LOOK_AGAIN_SECONDS)


def _acquire(lock: FileLock, folder: Path, waiting: Waiting) -> None:
    told, vanished = "", 0
    with waiting.turn() as seconds_left:
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _try(lock)
            except Timeout as error:
                who = _describe(folder / _HOLDER_FILE)
                left = seconds_left()
                if left <= 0:
                    raise _in_use(folder, who, waiting) from error
                if who != told:
                    told = who
                    waiting.on_event(LockAwaited(folder=folder, holder=who))
                time.sleep(min(_LOOK_AGAIN_SECONDS, left))
            except OSError as error:
                # Whoever made the folder only for its lock may have removed it in between.
                vanished += isinstance(error, FileNotFoundError)
                if not 0 < vanished < _MOST_VANISHED:
                    raise storage_error("lock", folder, error) from error
            else:
                if (folder / LOCK_FILE).exists():
                    return
                lock.release()


def _try(lock: FileLock) -> None:
    """Take a lock, whoever looks at it meanwhile.

    Raises:
        Timeout: another holds it.
        OSError: the file system refused.
    """
    for _ in range(_MOST_LOOKS):
        with contextlib.suppress(Timeout):
            lock.acquire()
            return
        time.sleep(_LOOKED_AT_SECONDS)
    lock.acquire()


def _in_use(folder: Path, who: str, waiting: Waiting) -> LockedError:
    waited = f"; waited {waiting.seconds:g} seconds" if waiting.seconds else ""
    return LockedError(
        f"{folder} is in use by {who}{waited}",
        hint=f"wait for it to end, with {option('wait')} if the command has it, or stop it, then run again",
    )


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder that was made only to hold its lock; a process that works in it is announced there."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
            folder.rmdir()


def _announce(holder: Path, purpose: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "purpose": purpose}
    # Only shown to others, so it may be torn or missing, but never that of an earlier holder, whoever it belonged to.
    with contextlib.suppress(OSError):
        holder.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _AS_IT_LIES
        with open(os.open(holder, flags, 0o666), "w") as file:
            file.write(json.dumps(told))


def _describe(holder: Path) -> str:
    """Return who holds a lock that is held, "another run" where nobody knows."""
    try:
        told = _read_holder(holder)
        if told["host"] == socket.gethostname():
            with contextlib.suppress(PermissionError):
                os.kill(int(told["pid"]), 0)
        return f"`adrec {told['purpose']}` (process {told['pid']} on {told['host']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return "another run"


def _read_holder(holder: Path) -> Any:
    """Return what the holder of a lock has recorded of itself; {} where nothing can be read."""
    try:
        with open(os.open(holder, os.O_RDONLY | _AS_IT_LIES)) as file:
            return json.loads(file.read(_LONGEST_HOLDER))
    except (OSError, ValueError, RecursionError):
        return {}
