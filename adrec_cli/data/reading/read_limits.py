"""How much a source may hold: tables shrink a hundredfold at most when they are packed, bombs a millionfold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import option, say_count

MOST_EXPANSION: Final = 500
ALWAYS_UNPACKED_BYTES: Final = 1 << 30
"""Bytes a compressed file may unpack to however small it is; a larger one to `MOST_EXPANSION` times its size."""
MOST_ROWS_PER_BYTE: Final = 20
ALWAYS_ROWS: Final = 50_000_000
"""Rows a columnar file may have however small it is; a larger one `MOST_ROWS_PER_BYTE` for each of its bytes."""


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What is read of one file at most.

    Attributes:
        rows: of a table; None takes what no honest file of its size exceeds.
        bytes: that a compressed file unpacks to; None likewise.
    """

    rows: int | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        for key, value in (("max_rows", self.rows), ("max_bytes", self.bytes)):
            if value is not None and value < 1:
                raise UsageError(f"{option(key)} must be at least 1, got {value}")

    def most_bytes(self, path: Path) -> int:
        """Return how many bytes a compressed file may unpack to."""
        return self.bytes or max(ALWAYS_UNPACKED_BYTES, MOST_EXPANSION * path.stat().st_size)

    def unpacks_too_much(self, path: Path) -> InputError:
        """Return the error that tells of a decompression bomb."""
        times = "" if self.bytes else f", {MOST_EXPANSION} times its size: no table does"
        return InputError(
            f"{path} unpacks to more than {say_count(self.most_bytes(path), 'byte')}{times}",
            hint=f"if you trust it: {option('max_bytes', 'N')}, or unpack it yourself and name the file inside",
        )

    def require_few_rows(self, rows: int, path: Path, size: int | None = None) -> None:
        """Refuse a table with too many rows.

        Args:
            rows: of the table.
            path: of the file the user named.
            size: bytes of the file, where it is packed in columns; without it only a limit that was given counts.

        Raises:
            InputError: naming the limit.
        """
        most = self.rows
        if most is None and size is not None:
            most = max(ALWAYS_ROWS, MOST_ROWS_PER_BYTE * size)
        if most is not None and rows > most:
            of_size = "" if self.rows or size is None else f" in {say_count(size, 'byte')}: no table has"
            raise InputError(
                f"{path} has {say_count(rows, 'row')}{of_size}; the limit is {most:,}",
                hint=f"if you trust it: {option('max_rows', 'N')}",
            )


UNLIMITED_BY_HAND: Final = ReadLimits()
