"""What was found and assumed while tables were read, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.data.reading.bad_rows import BadRows
from adrec_cli.wording import option_as_typed, say_count


@dataclass(frozen=True, kw_only=True)
class FileRows:
    """The interactions of one file among all that were read, which stand in the order of the files.

    Attributes:
        path: of the file.
        rows: how many.
        content_sha256: of what they say, whatever the file's bytes.
        first, last: their earliest and latest time in microseconds, or places; 0 without interactions.
    """

    path: Path
    rows: int
    content_sha256: str
    first: int = 0
    last: int = 0


@dataclass(kw_only=True)
class ReadReport:
    """What was found while reading.

    Attributes:
        rows: interactions in the sources, bad ones included.
        below_rating: left out by the least rating.
        unmet: left out by conditions.
        unmatched: a line for each file with rows whose key the joined file does not have.
        bad_rows: left out because they could not be read.
        form: how the rows are written, in words.
        columns: name of the column for each role that was found; a list for a time in several columns.
        time: how times are written, in words.
        timed: whether the source has times at all.
        by_rows: whether the order of the rows stands for times that are not there.
        stripped, whole: for each role, rows whose id lost blanks around it, or was a whole float.
        doubts: what is hard to believe about an update.
        time_warnings: about times that are odd, such as those far out.
        user_warnings: about users that are odd, such as one with most of the interactions.
        found: what was found for options of reading that were not given, by the option's name; the manifest
            remembers it, so that the next file is read the same way.
        notes: what was assumed, a sentence each.
        folder_columns: columns that were read from the names of folders.
    """

    rows: int = 0
    below_rating: int = 0
    unmet: int = 0
    unmatched: list[str] = field(default_factory=list)
    bad_rows: BadRows = field(default_factory=BadRows)
    form: str = ""
    columns: dict[str, str | list[str]] = field(default_factory=dict)
    time: str = "no times: the order of the rows"
    timed: bool = False
    by_rows: bool = False
    found: dict[str, Any] = field(default_factory=dict)
    stripped: dict[str, int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    time_warnings: list[str] = field(default_factory=list)
    user_warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[FileRows] = field(default_factory=list)
    folder_columns: list[str] = field(default_factory=list)

    def assume(self, sentence: str) -> None:
        """Note what was assumed, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def lines(self) -> list[str]:
        """Return what is worth telling about the source: how it was read, if it was, in one line, then all else."""
        named = {role: name if isinstance(name, str) else " and ".join(name) for role, name in self.columns.items()}
        columns = ", ".join(f"{role} = {name}" for role, name in named.items())
        read = "; ".join(part for part in (self.form, columns, self.time) if part)
        return [*([f"read as {read}"] if read else []), *self.notes, *self._about_ids()]

    def _about_ids(self) -> list[str]:
        lines = []
        for role in ("user", "item"):
            if stripped := self.stripped.get(role):
                lines.append(
                    f"blanks around the {role} id of {say_count(stripped, 'row')} were taken off; "
                    f"{option_as_typed('keep_blanks')} keeps them"
                )
            if whole := self.whole.get(role):
                lines.append(
                    f"the {role} ids of {say_count(whole, 'row')} are whole numbers written as 17.0, read as 17"
                )
        return lines

    def warnings(self) -> list[str]:
        """Return the lines about rows that were left out as they could not be read or joined, and doubts."""
        return [
            *self.bad_rows.lines(self.rows),
            *self.unmatched,
            *self.time_warnings,
            *self.user_warnings,
            *self.doubts,
        ]
