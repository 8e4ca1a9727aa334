"""What stands before a table's header and is none of it: a spreadsheet's `sep=;`, and comments that begin with #."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from adrec_cli.wording import inflect, say_count

_SEPARATOR: Final = re.compile(r'\s*"?sep=(.|\\t)"?\s*', re.I)


@dataclass(frozen=True, kw_only=True)
class Preamble:
    """Lines at the beginning that are no rows.

    Attributes:
        separator: what a line `sep=;` says; "" where there is none.
        lines: the first lines of the file, those of the preamble emptied, so that numbers of lines stay right.
        notes: what was passed over, a sentence.
    """

    separator: str
    lines: list[str]
    notes: tuple[str, ...]


def split_preamble(lines: list[str]) -> Preamble:
    """Empty the lines before a table that are none of it.

    A line that begins with # is a comment only if a line follows that does not: a header such as `#user,item` above
    rows is read as one comment, and the file as one without header.

    Args:
        lines: the first lines of a text file.
    """
    separator, comments, emptied = "", 0, list(lines)
    for number, line in enumerate(lines):
        said = _SEPARATOR.fullmatch(line) if not separator and not comments else None
        if said is not None:
            separator = said[1].replace("\\t", "\t")
        elif line.lstrip().startswith("#"):
            comments += 1
        elif line.strip():
            break
        emptied[number] = ""
    if not any(line.strip() for line in emptied):
        return Preamble(separator="", lines=lines, notes=())
    notes = (
        [
            f"{say_count(comments, 'line')} of comments (#) before "
            f"the table {inflect(comments, 'was', 'were')} passed over"
        ]
        if comments
        else []
    )
    notes += [f"the first line says that {separator!r} separates"] if separator else []
    return Preamble(separator=separator, lines=emptied, notes=tuple(notes))
