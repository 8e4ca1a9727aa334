"""A file of recommendations, written part by part, so that an interrupted batch goes on where it stopped."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import file_sha256, replacing, storage_error, write_bytes
from adrec_cli.artifacts.harmless_text import harmless_json, harmless_lines
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import StorageError, UsageError
from adrec_cli.schema import USER_ID
from adrec_cli.wording import option

PARTS_SUFFIX = ".parts"
FORMATS = ("parquet", "jsonl", "csv")
_FORMULA = r"^[=+\-@\t\r]"
_KEY_FILE = "key"
_KEY = re.compile("[0-9a-f]{64}")
_PART = re.compile(r"\d{6,}-[0-9a-f]{64}\.parquet")
_OWN = re.compile(rf"{_PART.pattern}|{_KEY_FILE}|\.lock|\.lock\.holder\.json|\..+\.\d+\.tmp", re.DOTALL)


def format_of(path: Path, name: str | None) -> str:
    """Return the format of a file: the one given, else the one its name ends in.

    Raises:
        UsageError: neither is known.
    """
    chosen = name or path.suffix.removeprefix(".")
    if chosen not in FORMATS:
        raise UsageError(
            f"{path}: format {chosen!r} is unknown",
            hint=f"end its name in .{', .'.join(FORMATS)}, or give {option('format')}",
        )
    return chosen


class Writer(Protocol):
    """Writes tables one after the other."""

    def __call__(self, table: pl.DataFrame) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads text that is written.

    Attributes:
        spreadsheet: texts that one would compute get a quote before them, in CSV.
        terminal: characters that one acts on become escapes.
    """

    spreadsheet: bool = False
    terminal: bool = False


PROGRAM = Reader()
"""Reads everything as it is."""


@contextlib.contextmanager
def table_writer(file: BinaryIO, format: str, reader: Reader = PROGRAM) -> Iterator[Writer]:
    """Yield what writes tables of the same columns to an open file, in one of the `FORMATS`, for whoever reads it."""
    if format != "parquet":
        first = True

        def write_text(table: pl.DataFrame) -> None:
            nonlocal first
            text = io.BytesIO()
            if format == "csv":
                (quote_formulas(table) if reader.spreadsheet else table).write_csv(text, include_header=first)
            else:
                table.write_ndjson(text)
            if reader.terminal:
                shown = harmless_lines if format == "csv" else harmless_json
                file.write(shown(text.getvalue().decode()).encode())
            else:
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


def quote_formulas(table: pl.DataFrame) -> pl.DataFrame:
    """Put a quote before texts that a spreadsheet would compute: those that begin with = + - @, a tab or a return."""
    text = pl.col(pl.String)
    return table.with_columns(pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep())


class Parts:
    """Parts of an unfinished file, in a hidden folder beside it, each named by its number, its content and the key.

    Attributes:
        folder: they are in.
        key: of everything they depend on.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self._whole: dict[int, Path] = {}
        self._found: dict[int, list[Path]] = {}
        for path in sorted(folder.iterdir()):
            if _PART.fullmatch(path.name):
                self._found.setdefault(int(path.name.partition("-")[0]), []).append(path)

    def has(self, number: int) -> bool:
        """Whether a part is there and whole; a damaged one, or one of another key, is made again."""
        for path in self._found.get(number, []):
            with contextlib.suppress(StorageError):
                if path.name == _name_part(number, self.key, file_sha256(path)):
                    self._whole[number] = path
        return number in self._whole

    def take(self, number: int, name: str) -> None:
        """Take a part that `write_part` has just written, here or in another process.

        Raises:
            StorageError: it is not here.
        """
        path = self.folder / name
        if not path.exists():
            raise StorageError(
                f"{path} was written by another process, and is not here",
                hint=f"give all machines one folder for {option('out')}, under the same path",
            )
        self._whole[number] = path

    def users(self, number: int) -> pl.Series:
        """Return whose recommendations a part, which is there, holds."""
        return pl.read_parquet(literal(self._whole[number]), columns=[USER_ID])[USER_ID].unique()

    def join(self, out: Path, format: str, numbers: Iterable[int], reader: Reader = PROGRAM) -> int:
        """Write some parts, which are there, as one file; it takes its place when it is whole. Return its rows."""
        rows = 0
        with replacing(out) as temporary, open(temporary, "wb") as file, table_writer(file, format, reader) as write:
            for number in numbers:
                table = pl.read_parquet(literal(self._whole[number]))
                write(table)
                rows += table.height
        return rows


def write_part(folder: Path, key: str, number: int, table: pl.DataFrame) -> str:
    """Write a part, whole or not at all, and return its name; arguments as the attributes of `Parts`.

    Raises:
        StorageError: the file system refused.
    """
    content = io.BytesIO()
    table.write_parquet(content)
    name = _name_part(number, key, hashlib.sha256(content.getbuffer()).hexdigest())
    write_bytes(folder / name, content.getvalue())
    return name


def _name_part(number: int, key: str, sha256: str) -> str:
    # With the key, as a process that was left behind may write one of a former key.
    return f"{number:06}-{hashlib.sha256(f'{key}{sha256}'.encode()).hexdigest()}.parquet"


def find_parts_folder(out: Path) -> Path:
    """Return the folder of the parts of a file."""
    return out.with_name(f".{out.name}{PARTS_SUFFIX}")


@contextlib.contextmanager
def open_parts(out: Path, key: str) -> Iterator[Parts]:
    """Hold the folder of parts of a file while open, and remove it when all went well.

    Args:
        out: the file that is made.
        key: of everything it depends on; parts of another key are removed.

    Raises:
        LockedError: another process makes the same file.
        StorageError: the file system refused.
    """
    folder = find_parts_folder(out)
    _require_own(folder)
    with exclusive(folder, f"recommend {option('out', out.name)}"):
        if _key_in(folder) != key:
            _remove_own(folder, _PART)
            write_bytes(folder / _KEY_FILE, key.encode())
        yield Parts(folder, key)
        remove_parts(folder)


def remove_parts(folder: Path) -> None:
    """Remove a folder of parts, whose lock the caller holds; what others have put there stays, and so does the folder.

    Raises:
        StorageError: the file system refused.
    """
    try:
        _remove_own(folder, _OWN)
        with contextlib.suppress(OSError):
            folder.rmdir()
    except OSError as error:
        raise storage_error("remove", folder, error) from error


def _require_own(folder: Path) -> None:
    """Refuse a folder that was not made here: a link, or one with something in it and no key.

    Raises:
        UsageError: naming it.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder of parts", hint="move it away, or give the name of another file")
    if folder.is_dir() and not _KEY.fullmatch(_key_in(folder)):
        foreign = [path.name for path in folder.iterdir() if not _OWN.fullmatch(path.name)]
        if foreign:
            raise UsageError(
                f"{folder} holds {foreign[0]}, which adrec did not write",
                hint="move it away, or give the name of another file",
            )


def _key_in(folder: Path) -> str:
    try:
        return (folder / _KEY_FILE).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _remove_own(folder: Path, names: re.Pattern[str]) -> None:
    for path in folder.iterdir():
        if names.fullmatch(path.name):
            path.unlink(missing_ok=True)
