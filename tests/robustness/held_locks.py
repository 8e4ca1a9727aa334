"""Locks that others hold for a while, by a clock of their own: whoever waits for them waits without losing time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from filelock import FileLock, Timeout

from adrec_cli.artifacts import lock


class HeldLocks:
    """Every lock, and the gate of every data set, is held for some seconds from when it is first tried.

    Attributes:
        now: seconds on the clock of whoever waits.
        seconds: each is held for.
        tried: when each folder was tried first.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.now, self.seconds = 100.0, seconds
        self.tried: dict[Path, float] = {}

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        """Let commands in this process find them held."""
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        take, find = lock._try, lock.find_holder

        def try_(one: FileLock) -> None:
            if self._is_held(Path(one.lock_file).parent):
                raise Timeout(one.lock_file)
            take(one)

        with (
            mock.patch.object(lock, "time", clock),
            mock.patch.object(lock, "_try", try_),
            mock.patch.object(lock, "find_holder", lambda one: "another" if self._is_held(one) else find(one)),
        ):
            yield

    def _is_held(self, folder: Path) -> bool:
        return self.now < self.tried.setdefault(folder, self.now) + self.seconds

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        # Time goes on, however short the sleep is beside what the clock shows.
        self.now += max(seconds, 1e-6)
