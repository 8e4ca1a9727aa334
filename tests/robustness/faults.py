"""A file system that refuses its n-th call: opening, writing, syncing, renaming, making and removing."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

_ON_PATHS = ("open", "replace", "mkdir", "unlink", "rmdir")


class RefusedCall:
    """Counts calls that concern a folder and lets one of them fail.

    Attributes:
        made: calls so far; refused: the name of the one that failed, "" while none has.
    """

    def __init__(self, folder: Path, nth: int, number: int) -> None:
        self.folder, self.nth, self.number = str(folder), nth, number
        self.made = 0
        self.refused = ""

    def count(self, name: str) -> None:
        """Count a call.

        Raises:
            OSError: it is the one to fail.
        """
        self.made += 1
        if self.made == self.nth:
            self.refused = name
            raise OSError(self.number, os.strerror(self.number))

    def concerns(self, path: object) -> bool:
        """Return whether a path lies in the folder."""
        return isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.folder)


class _Refusing:
    """A file whose writes are counted."""

    def __init__(self, file: Any, call: RefusedCall) -> None:
        self._file, self._call = file, call

    def write(self, content: Any) -> Any:
        self._call.count("write")
        return self._file.write(content)

    def __enter__(self) -> _Refusing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def refusing(folder: Path, nth: int, number: int) -> Iterator[RefusedCall]:
    """Let the n-th call on a folder's files fail with an error number while open."""
    call = RefusedCall(folder, nth, number)
    real_open, real_sync = builtins.open, os.fsync

    def opened(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not call.concerns(path):
            return real_open(path, mode, *args, **kwargs)
        call.count("open")
        file = real_open(path, mode, *args, **kwargs)
        return file if mode.strip("bt") == "r" else _Refusing(file, call)

    def on_path(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *args: Any, **kwargs: Any) -> Any:
            if call.concerns(path):
                call.count(name)
            return function(path, *args, **kwargs)

        return called

    def synced(descriptor: int) -> None:
        call.count("fsync")
        real_sync(descriptor)

    with contextlib.ExitStack() as patched:
        patched.enter_context(mock.patch.object(builtins, "open", opened))
        patched.enter_context(mock.patch.object(io, "open", opened))
        patched.enter_context(mock.patch.object(os, "fsync", synced))
        for name in _ON_PATHS:
            patched.enter_context(mock.patch.object(os, name, on_path(name, getattr(os, name))))
        yield call
