"""The standard streams, made such that a command goes on whatever becomes of them."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class _Unfailing(io.FileIO):
    """A stream that drops what it cannot write: its terminal may be closed, its reader gone, its disk full."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare_streams() -> None:
    """Open streams that are closed, let stderr never fail, and show characters that a locale lacks as escapes."""
    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Nothing crashes because of a title.
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        raw = _Unfailing(sys.stderr.fileno(), "w", closefd=False)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True
        )


def _open_missing() -> None:
    """Let no file that a command opens become one of the standard streams, into which native code would write."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
