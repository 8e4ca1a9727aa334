"""Memory that one process of a machine fills and the others use as well, so that what is alike in all is there once.

It is a file without a name, which nobody can change any more once it is filled, and which is gone with the last process
that uses it. Each process has its own view: what one of them writes into it, no other sees.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import PrefixStore

Bytes = npt.NDArray[np.uint8]
Fill = Callable[[Sequence[Bytes]], str]

CAN_BE_SHARED: Final = sys.platform == "linux" and hasattr(os, "memfd_create")
_ALIGNMENT: Final = 64
"""Bytes; of what PyTorch allocates, so that no product depends on where its numbers came from."""
_LOOK_AGAIN_SECONDS: Final = 0.05
_ABSENT: Final = ""
"""What the others find where there is nothing to use: each then reads by itself, and meets the same error."""


class MemoryOnce:
    """Fills memory in the first process of a machine that asks, and lets the others of that machine use it."""

    def __init__(self, store: PrefixStore, reaching: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        """Begin.

        Args:
            store: that all processes reach.
            reaching: turns the failure of a connection into an error.
        """
        self._store, self._reaching = store, reaching
        self._held: list[int] = []

    def __call__(self, identity: str, sizes: Sequence[int], fill: Fill) -> tuple[list[Bytes], str] | None:
        """Return filled memory, and what filling it has returned; None where it cannot be had, and nothing is filled.

        Args:
            identity: of what it is filled with; alike in processes that may use the same.
            sizes: bytes of each stretch.
            fill: fills the stretches, whatever process it is called in with the same.

        Raises:
            Exception: what `fill` raises, in the process that calls it.
        """
        key = f"memory/{socket.gethostname()}/{identity}"
        with self._reaching():
            fills = self._store.add(f"{key}/asked", 1) == 1
        if not fills:
            return _view(self._wait_for(f"{key}/filled"), sizes)
        told = _ABSENT
        try:
            with contextlib.suppress(OSError):
                told = self._fill(sizes, fill)
        finally:
            with self._reaching():
                self._store.set(f"{key}/filled", told)
        return _view(told, sizes)

    def release(self) -> None:
        """Keep nothing for the others any longer: whoever uses it has opened it."""
        while self._held:
            os.close(self._held.pop())

    def _fill(self, sizes: Sequence[int], fill: Fill) -> str:
        """Fill a file, close it to all changes, and return where it is."""
        import fcntl

        descriptor = os.memfd_create("adrec", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._held.append(descriptor)
        places, size = _lay_out(sizes)
        os.truncate(descriptor, max(1, size))
        whole = mmap.mmap(descriptor, max(1, size))
        found = fill(_cut(whole, places))
        # Or nothing may be sealed; where filling has failed, the error still has views of it.
        whole.close()
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return json.dumps({"process": os.getpid(), "descriptor": descriptor, **_identify(descriptor), "found": found})

    def _wait_for(self, key: str) -> str:
        while True:
            with self._reaching():
                if self._store.check([key]):
                    return bytes(self._store.get(key)).decode()
            time.sleep(_LOOK_AGAIN_SECONDS)


def _view(told: str, sizes: Sequence[int]) -> tuple[list[Bytes], str] | None:
    """Return this process's view of what another, or itself, has filled; None where it cannot be had."""
    if told == _ABSENT:
        return None
    where: dict[str, Any] = json.loads(told)
    places, size = _lay_out(sizes)
    try:
        descriptor = os.open(f"/proc/{where['process']}/fd/{where['descriptor']}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Numbers of processes and of open files are used again.
        if _identify(descriptor) != {"device": where["device"], "inode": where["inode"], "size": max(1, size)}:
            return None
        # Private, since arrays that cannot be written are not for tensors.
        view = mmap.mmap(descriptor, max(1, size), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return _cut(view, places), where["found"]


def _identify(descriptor: int) -> dict[str, int]:
    told = os.fstat(descriptor)
    return {"device": told.st_dev, "inode": told.st_ino, "size": told.st_size}


def _lay_out(sizes: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """Return beginning and size of each stretch, and the size of all."""
    places, end = list[tuple[int, int]](), 0
    for size in sizes:
        places.append((end, size))
        end += -(-size // _ALIGNMENT) * _ALIGNMENT
    return places, end


def _cut(whole: mmap.mmap, places: Sequence[tuple[int, int]]) -> list[Bytes]:
    return [np.frombuffer(whole, dtype=np.uint8, count=size, offset=begin) for begin, size in places]
