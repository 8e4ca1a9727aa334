"""Files and folders that are no table, known by their first bytes or by what lies in them, and what to do instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import InputError

HEAD_BYTES: Final = 512
"""Number of first bytes that are enough to recognise a file."""

_TABLES: Final = "export the table as CSV or Parquet"
_SPREADSHEET: Final = (
    "save the sheet as CSV (UTF-8), or: python -c \"import pandas; pandas.read_excel('FILE').to_csv('t.csv')\""
)


@dataclass(frozen=True)
class Foreign:
    """A kind of file that is not read: its name with an article, and what to type or do instead."""

    name: str
    hint: str


MAGICS: Final[tuple[tuple[int, bytes, Foreign], ...]] = (
    (0, b"version https://git-lfs.github.com/spec/", Foreign(
        "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign("an Excel workbook (.xls)", _SPREADSHEET)),
    (0, b"SQLite format 3\0", Foreign(
        "an SQLite database", "write its table as CSV: sqlite3 -header -csv FILE 'select * from TABLE' > t.csv")),
    (0, b"Obj\x01", Foreign("an Avro file", _TABLES)),
    (0, b"\x89HDF\r\n\x1a\n", Foreign("an HDF5 file", _TABLES)),
    (0, b"\x93NUMPY", Foreign("a NumPy array", _TABLES)),
    (8, b"DUCK", Foreign("a DuckDB database", "write its table as Parquet: duckdb FILE \"copy TABLE to 't.parquet'\"")),
    (0, b"\x80\x02", Foreign("a pickle, which adrec never reads", _TABLES)),
    (0, b"\x80\x03", Foreign("a pickle, which adrec never reads", _TABLES)),
    (0, b"\x80\x04", Foreign("a pickle, which adrec never reads", _TABLES)),
    (0, b"\x80\x05", Foreign("a pickle, which adrec never reads", _TABLES)),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", "unpack it: 7z x FILE")),
    (0, b"Rar!\x1a\x07", Foreign("a RAR archive", "unpack it: unrar x FILE")),
    (0, b"%PDF-", Foreign("a PDF document", "name the table itself")),
    (257, b"ustar", Foreign("a tar archive", "unpack it and name the table inside: tar xf FILE")),
)  # fmt: skip
_PAGE: Final = re.compile(rb"\s*(<!--.*?-->\s*)?(<!doctype html|<html|<head|<\?xml)", re.I | re.S)
_WEB_PAGE: Final = Foreign(
    "a web page or XML, not a table", "open it in a browser: the download asks for a login, or has moved"
)
# The line below the names: bars around dashes. Without bars outside it may be a table that bars separate.
_DRAWN: Final = re.compile(rb"^[ \t]*\|[^\n]*\|[ \t]*\r?\n[ \t]*\|[ \t]*:?-[-:+| \t]*\|[ \t]*\r?$", re.M)
_MARKDOWN: Final = Foreign("a table drawn for people (Markdown)", _TABLES)
WORKBOOK: Final = Foreign("an Excel workbook", _SPREADSHEET)
DOCUMENT: Final = Foreign("an OpenDocument file", "save the sheet as CSV (UTF-8)")


def refuse_foreign(path: Path, head: bytes) -> None:
    """Refuse a file whose first bytes say that it is not a table.

    Args:
        path: the file the user named.
        head: its first bytes, uncompressed.

    Raises:
        InputError: it is of a kind that is not read.
    """
    bare = head.removeprefix(b"\xef\xbb\xbf")
    for offset, magic, kind in MAGICS:
        if head[offset : offset + len(magic)] == magic:
            raise foreign_error(path, kind)
    if _PAGE.match(bare):
        raise foreign_error(path, _WEB_PAGE)
    if _DRAWN.search(bare):
        raise foreign_error(path, _MARKDOWN)


def foreign_error(path: Path, kind: Foreign) -> InputError:
    """Return the error that names what a file is."""
    return InputError(f"{path} is {kind.name}", hint=kind.hint.replace("FILE", str(path)))


def refuse_table_folder(folder: Path) -> None:
    """Refuse the folder of a table format whose files are not all of the table: some stand for what was deleted.

    Raises:
        InputError: it is a Delta, Iceberg or Hudi table.
    """
    if name := find_table_format(folder):
        raise InputError(
            f"{folder} is a table of {name}: not all of its files count",
            hint="write what counts today as Parquet with the program that keeps it, and name that folder",
        )


def find_table_format(folder: Path) -> str:
    """Return the format of a table whose folder this is; "" where it is none of those that are known."""
    if (folder / "_delta_log").is_dir():
        return "Delta"
    if any(matching_paths(folder / "metadata", "*.metadata.json")):
        return "Iceberg"
    return "Hudi" if (folder / ".hoodie").is_dir() else ""
