"""Files in blocks, as Netflix's: a line "17:" names an item, the lines under it are its users."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.errors import InputError

_SAMPLE_LINES: Final = 200
_HEAD: Final = re.compile(rb"([^\s,;|:]+):")
# The columns of a line under an item, by their number.
_COLUMNS: Final = {1: ("user_id",), 2: ("user_id", "timestamp"), 3: ("user_id", "rating", "timestamp")}


def as_rows(decoded: Decoded, scratch: Path) -> Decoded:
    """Return the file itself, or a copy with one event per row if it is written in blocks.

    The line that names an item becomes an empty one, so that the numbers of lines stay right.

    Args:
        decoded: a text file.
        scratch: folder for the copy.

    Raises:
        InputError: a line in a block has more or fewer fields than the first.
    """
    with open(decoded.plain, "rb") as file:
        columns = _find_columns([line.strip() for line in islice(file, _SAMPLE_LINES)])
    if not columns:
        return decoded
    target = scratch / f"{len(list(scratch.iterdir()))}-rows-{decoded.path.name}"
    commas, item = len(columns) - 1, b""
    with open(decoded.plain, "rb") as source, open(target, "wb") as file:
        for number, line in enumerate(source, start=1):
            line = line.strip()
            if line.endswith(b":"):
                item = line[:-1]
                file.write(b"\n")
            elif not line or line.count(b",") == commas:
                file.write(line + b"," + item + b"\n" if line else b"\n")
            else:
                got = line[:40].decode(errors="replace")
                raise InputError(
                    f"{decoded.path}, line {number}: expected {', '.join(columns)} under an item, got {got!r}",
                    hint="fix the file, or fetch it again",
                )
    return replace(decoded, plain=target, columns=(*columns, "item_id"))


def _find_columns(lines: list[bytes]) -> tuple[str, ...]:
    """Return the columns of the lines under an item's, none if the file is not written in blocks."""
    filled = [line for line in lines if line]
    if len(filled) < 2 or not _HEAD.fullmatch(filled[0]):
        return ()
    widths = {line.count(b",") + 1 for line in filled if not _HEAD.fullmatch(line)}
    return _COLUMNS.get(widths.pop(), ()) if len(widths) == 1 else ()
