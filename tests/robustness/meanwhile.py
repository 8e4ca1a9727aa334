"""What a writer does to a workspace, recorded once, step by step, and done again between two looks of a reader."""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from adrec_cli.artifacts import tensor_file
from adrec_cli.artifacts.lock import LOCK_FILE

_CHANGES = ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "link")
_LOOKS = (
    (os, ("stat", "lstat", "scandir", "listdir", "open", "readlink")),
    (io, ("open",)),
    (builtins, ("open",)),
    (pl, ("read_parquet", "scan_parquet")),
    (pq, ("ParquetFile", "read_table")),
    (tensor_file, ("safe_open",)),
)
_FOLDER = (0,)


@dataclass(frozen=True)
class Step:
    """What a writer changed at once.

    Attributes:
        gone: paths in the workspace that are not there any more, the innermost first.
        there: what is new there, the outermost first: content of a file, None of a folder.
        locked: paths of the locks that are held from then on.
    """

    gone: tuple[str, ...]
    there: tuple[tuple[str, bytes | None], ...]
    locked: frozenset[str]


@dataclass
class _Seen:
    """What was in a folder when it was last looked at, by what tells one file from another."""

    folder: Path
    identities: dict[str, tuple[int, ...]] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()

    def look(self, locked: frozenset[str]) -> Iterator[Step]:
        """Yield what has changed since, if anything has."""
        before, found = self.identities, dict(self._identify())
        gone = tuple(sorted((name for name in before if name not in found), reverse=True))
        new = sorted(name for name, identity in found.items() if before.get(name) != identity)
        there = tuple((name, None if found[name] == _FOLDER else (self.folder / name).read_bytes()) for name in new)
        if gone or there or locked != self.locked:
            yield Step(gone, there, locked)
        self.identities, self.locked = found, locked

    def _identify(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for place, folders, names in os.walk(self.folder):
            for name in folders:
                yield os.path.relpath(os.path.join(place, name), self.folder), _FOLDER
            # What is on its way to its name nobody reads.
            for name in (name for name in names if not name.endswith(".tmp")):
                told = os.stat(path := os.path.join(place, name))
                yield os.path.relpath(path, self.folder), (told.st_ino, told.st_mtime_ns, told.st_size)


def record(folder: Path, write: Callable[[], object], patched: pytest.MonkeyPatch) -> list[Step]:
    """Return what a writer in this process does to a folder, each change that others can see by itself."""
    seen, steps, held = _Seen(folder), [], dict[int, str]()
    list(seen.look(frozenset()))
    lock = fcntl.flock

    def look() -> None:
        steps.extend(seen.look(frozenset(held.values())))

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            try:
                return function(*args, **named)
            finally:
                look()

        return call

    def flock(descriptor: int, operation: int) -> None:
        lock(descriptor, operation)
        place = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if place.name == LOCK_FILE and folder in place.parents and not operation & fcntl.LOCK_SH:
            held.pop(descriptor, None)
            if operation & fcntl.LOCK_EX:
                held[descriptor] = str(place.relative_to(folder))
            look()

    with patched.context() as watching:
        for name in _CHANGES:
            watching.setattr(os, name, watched(getattr(os, name)))
        watching.setattr(fcntl, "flock", flock)
        write()
    look()
    return steps


class Replay:
    """A writer that does again, in a copy of the folder, what was recorded; it holds the locks that were held."""

    def __init__(self, folder: Path, steps: list[Step]) -> None:
        self._folder, self._steps, self._done = folder, steps, 0
        self._held: dict[str, int] = {}

    def go_on(self, count: int = 1) -> None:
        """Do the next steps, or as many as there are."""
        for step in self._steps[self._done : self._done + count]:
            self._do(step)
        self._done += count
        if self._done >= len(self._steps):
            self.let_go()

    def finish(self) -> None:
        """Do all that is left."""
        self.go_on(len(self._steps))

    def let_go(self) -> None:
        """Hold no lock any longer."""
        self._hold(frozenset())

    def _do(self, step: Step) -> None:
        for name in step.gone:
            path = self._folder / name
            path.rmdir() if path.is_dir() else path.unlink()
        for name, content in step.there:
            path = self._folder / name
            if content is None:
                path.mkdir(exist_ok=True)
            elif path.name != LOCK_FILE or not path.exists():
                # As every artifact is written: never in place.
                spare = self._folder.with_name("spare")
                spare.write_bytes(content)
                os.replace(spare, path)
        self._hold(step.locked)

    def _hold(self, wanted: frozenset[str]) -> None:
        for name in self._held.keys() - wanted:
            os.close(self._held.pop(name))
        for name in wanted - self._held.keys():
            self._held[name] = os.open(self._folder / name, os.O_RDONLY)
            fcntl.flock(self._held[name], fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def between_looks(folder: Path, happen: Callable[[int], None], patched: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let something happen before each look that this process takes into a folder, called with the number of the look.

    Yields:
        a list whose only entry is how many there were.
    """
    looks, happening = [0], [False]

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            place = args[0] if args else None
            if not happening[0] and isinstance(place, str | os.PathLike) and str(place).startswith(str(folder)):
                happening[0] = True
                try:
                    happen(looks[0])
                finally:
                    happening[0] = False
                looks[0] += 1
            return function(*args, **named)

        return call

    with patched.context() as watching:
        for module, names in _LOOKS:
            for name in names:
                watching.setattr(module, name, watched(getattr(module, name)))
        yield looks


def link_tree(source: Path, target: Path) -> None:
    """Give a workspace whose files never change in place a second folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, copy_function=os.link)
