"""A file of recommendations, written part by part, so that an interrupted batch goes on where it stopped."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import replacing, storage_error, write_bytes
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import UsageError

FORMATS = ("parquet", "jsonl", "csv")
_KEY_FILE = "key"


def format_of(path: Path, name: str | None) -> str:
    """Return the format of a file: the one given, else the one its name ends in.

    Raises:
        UsageError: neither is known.
    """
    chosen = name or path.suffix.removeprefix(".")
    if chosen not in FORMATS:
        raise UsageError(
            f"{path}: format {chosen!r} is unknown", hint=f"end its name in .{', .'.join(FORMATS)}, or give --format"
        )
    return chosen


class Writer(Protocol):
    """Writes tables one after the other."""

    def __call__(self, table: pl.DataFrame) -> None: ...


@contextlib.contextmanager
def table_writer(file: BinaryIO, format: str) -> Iterator[Writer]:
    """Yield what writes tables of the same columns to an open file, in one of the `FORMATS`."""
    if format != "parquet":
        first = True

        def write_text(table: pl.DataFrame) -> None:
            nonlocal first
            text = io.BytesIO()
            if format == "csv":
                table.write_csv(text, include_header=first)
            else:
                table.write_ndjson(text)
            file.write(text.getbuffer())
            first = False

        yield write_text
        return
    writer: pq.ParquetWriter | None = None

    def write_parquet(table: pl.DataFrame) -> None:
        nonlocal writer
        arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
        if writer is None:
            writer = pq.ParquetWriter(file, arrow.schema, compression="zstd")
        writer.write_table(arrow)

    try:
        yield write_parquet
    finally:
        if writer is not None:
            writer.close()


class Parts:
    """Parts of an unfinished file, in a hidden folder beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int) -> Path:
        """Return where a part lies, or would."""
        return self._folder / f"{number:06}.parquet"

    def has(self, number: int) -> bool:
        """Whether a part is there and whole; a damaged one is made again."""
        try:
            return bool(pq.read_metadata(self.path(number)).num_columns)
        except (OSError, ValueError):
            return False

    def write(self, number: int, table: pl.DataFrame) -> None:
        """Write a part, whole or not at all."""
        with replacing(self.path(number)) as temporary:
            table.write_parquet(temporary)

    def join(self, out: Path, format: str, count: int) -> int:
        """Write all parts as one file, which takes its place when it is whole, and return its rows."""
        rows = 0
        with replacing(out) as temporary, open(temporary, "wb") as file, table_writer(file, format) as write:
            for number in range(count):
                table = pl.read_parquet(literal(self.path(number)))
                write(table)
                rows += table.height
        return rows


@contextlib.contextmanager
def unfinished(out: Path, key: str) -> Iterator[Parts]:
    """Hold the folder of parts of a file while open, and remove it when all went well.

    Args:
        out: the file that is made.
        key: of everything it depends on; parts of another key are removed.

    Raises:
        LockedError: another process makes the same file.
        StorageError: the file system refused.
    """
    folder = out.with_name(f".{out.name}.parts")
    with exclusive(folder, f"recommend --out {out.name}"):
        try:
            found = (folder / _KEY_FILE).read_text()
        except (OSError, UnicodeDecodeError):
            found = ""
        if found != key:
            _remove_parts(folder)
            write_bytes(folder / _KEY_FILE, key.encode())
        yield Parts(folder)
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise storage_error("remove", folder, error) from error


def _remove_parts(folder: Path) -> None:
    for path in folder.glob("*.parquet"):
        with contextlib.suppress(OSError):
            path.unlink()
