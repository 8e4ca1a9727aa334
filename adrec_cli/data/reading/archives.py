"""The one table in a zip archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from adrec_cli.data.reading.foreign_files import DOCUMENT, WORKBOOK, foreign_error
from adrec_cli.errors import InputError
from adrec_cli.wording import say_count

_NO_TABLES: Final = (".md", ".pdf", ".html", ".htm", ".png", ".jpg", ".gif", ".doc", ".docx", ".py", ".ipynb")
_NO_TABLE_NAMES: Final = ("readme", "license", "licence", "changelog", "citation", "copying")
_MOST_LISTED: Final = 8
DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError)
"""What reading a damaged, encrypted or strangely packed archive raises."""


def find_table(path: Path) -> str:
    """Return the name of the one member of a zip archive that may be a table.

    Raises:
        InputError: there is none, there are several, the archive is damaged, or it is a spreadsheet.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except DAMAGE as error:
        raise damage_error(path, error) from error
    if any(name.startswith(("xl/", "word/", "ppt/")) for name in names):
        raise foreign_error(path, WORKBOOK)
    if "mimetype" in names and "content.xml" in names:
        raise foreign_error(path, DOCUMENT)
    tables = [name for name in names if _may_be_table(name)]
    if len(tables) == 1:
        return tables[0]
    listed = ", ".join(tables[:_MOST_LISTED]) + (
        f" and {len(tables) - _MOST_LISTED} more" if len(tables) > _MOST_LISTED else ""
    )
    raise InputError(
        f"{path} is a zip archive of {say_count(len(tables), 'table')}, expected one"
        + (f": {listed}" if tables else ""),
        hint=f"unpack it and name the file of the interactions: unzip {path}",
    )


def open_table(path: Path, member: str) -> IO[bytes]:
    """Open a member of a zip archive to be read; reading raises what `DAMAGE` lists where it is damaged."""
    try:
        # The member still reads: the file is closed with the last of those that are open.
        with zipfile.ZipFile(path) as archive:
            return archive.open(member)
    except DAMAGE as error:
        raise damage_error(path, error) from error


def damage_error(path: Path, error: BaseException) -> InputError:
    """Return the error for an archive that cannot be unpacked."""
    return InputError(f"{path} is a zip archive that cannot be unpacked: {error}", hint="fetch it again, or unpack it")


def _may_be_table(name: str) -> bool:
    place = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in place.parts)
    prose = place.suffix.lower() in _NO_TABLES or place.stem.lower().startswith(_NO_TABLE_NAMES)
    return not (hidden or prose)
