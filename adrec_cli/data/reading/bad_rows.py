"""Rows that cannot be read: where they are, what they hold, and a clean copy of the rest."""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Final, Literal

import polars as pl

from adrec_cli.data.reading.open_quotes import advise_on_quotes
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.wording import inflect, option, say_count

EXAMPLES: Final = 5
_FILES: Final = 20
"""Largest number of files named with their bad rows."""
_MAX_FIELD: Final = 1 << 27


def advise_on_fields() -> str:
    """Return the hint for a row with more fields than there are columns."""
    return (
        "put quotes around fields that hold the separator, such as numbers with a decimal comma, "
        f"or say {option('on_bad_row', 'skip')}"
    )


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        path: of the file.
        place: "line 12" or "row 12", counted from 1.
        column: its name, "" if the whole row is malformed.
        expected: what should stand there.
        got: what stands there.
        hint: what can be done about such a row; "" for nothing in particular.
        hint_for_all: the same where all rows are like it.
    """

    path: Path
    place: str
    column: str
    expected: str
    got: str
    hint: str = ""
    hint_for_all: str = ""

    def __str__(self) -> str:
        column = f", column {self.column!r}" if self.column else ""
        got = self.got if len(self.got) <= 60 else self.got[:57] + "..."
        return f"{self.path}, {self.place}{column}: expected {self.expected}, got {got!r}"


@dataclass(kw_only=True)
class BadRows:
    """The bad rows of a run: how many of each file, and the first of them.

    Attributes:
        counts: by the path of the file.
        examples: a few, of all files together.
    """

    counts: dict[Path, int] = field(default_factory=dict)
    examples: list[BadRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are in all."""
        return sum(self.counts.values())

    def add(self, path: Path, examples: Sequence[BadRow], count: int) -> None:
        """Take in the bad rows of a file.

        Args:
            path: of the file.
            examples: the first of them.
            count: how many there are.
        """
        self.counts[path] = self.counts.get(path, 0) + count
        self.examples += examples[: EXAMPLES - len(self.examples)]

    def lines(self, rows: int) -> list[str]:
        """Return what to tell about them: how many of all rows, the first ones, and how many by file if several."""
        if not self.counts:
            return []
        lines = [
            f"{say_count(self.count, 'bad row')} {inflect(self.count, 'was', 'were')} left out of {rows:,}",
            *(f"left out: {row}" for row in self.examples),
        ]
        if len(self.counts) > 1:
            most = sorted(self.counts.items(), key=lambda entry: -entry[1])
            files = ", ".join(f"{path.name} {count:,}" for path, count in most[:_FILES])
            more = f", and {say_count(len(most) - _FILES, 'more file')}" if len(most) > _FILES else ""
            lines.append(f"bad rows by file: {files}{more}")
        return lines


def bad_rows_error(examples: list[BadRow], count: int, *, rows: int | None = None) -> InputError:
    """Return the error for the first of `count` bad rows of `rows`, where that is known."""
    others = f" ({say_count(count, 'such row')} in all)" if count > 1 else ""
    first = examples[0]
    hint = first.hint or f"fix the file, or leave such rows out with {option('on_bad_row', 'skip')}"
    if count == rows:
        hint = first.hint_for_all or first.hint or hint
    return InputError(f"{examples[0]}{others}", hint=hint)


def record_place(table: Table, record: int) -> str:
    """Return "line n" for the record with this number, counted from 0 without the header."""
    table = table.rows
    if table.record_lines is not None:
        return f"line {table.record_lines[record]}"
    if table.layout in ("parquet", "arrow"):
        return f"row {record + 1}"
    for number, (line, _, _) in enumerate(read_records(table)):
        if number == record:
            return f"line {line}"
    return f"row {record + 1}"


def read_records(table: Table) -> Iterator[tuple[int, list[str], str]]:
    """Read a text file record by record in plain Python, as the scan counts them.

    Yields:
        its first line (from 1), the fields (one JSON line for that layout), and what is wrong with it or "".
    """
    lists: list[str] = []
    if table.unfolding is not None:
        lists = [name for name, dtype in table.unfolding.types.items() if isinstance(dtype, pl.List)]
    table = table.rows
    if table.layout == "delimited":
        yield from _read_delimited(table)
        return
    with open(table.decoded.plain, encoding="utf-8", errors="replace", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            text = text.rstrip("\r\n")
            if line <= table.lines_before:
                continue
            if table.layout != "jsonl":
                yield line, [text], ""
            elif text.strip():
                yield line, [text], _json_problem(text, lists)


def drop_malformed(table: Table, scratch: Path) -> tuple[Table, list[BadRow], int]:
    """Write a copy of a text file without its malformed records.

    Args:
        table: the recognised file.
        scratch: folder for the copy.

    Returns:
        the table over the copy, the first examples of what was left out, and how many there were.
    """
    rows = table.rows
    target = scratch / f"{len(list(scratch.iterdir()))}-clean-{table.path.name}"
    examples: list[BadRow] = []
    count = 0
    lines = array("q")
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=rows.separator, lineterminator="\n") if rows.quoted else None
        for line, fields, problem in read_records(table):
            if problem:
                count += 1
                if len(examples) < EXAMPLES:
                    expected, got = problem.split("\n", 1)
                    place = f"line {line}"
                    hint = advise_on_quotes(rows, [fields])
                    hint = hint or (advise_on_fields() if expected.endswith("fields") else "")
                    row = BadRow(path=table.path, place=place, column="", expected=expected, got=got, hint=hint)
                    examples.append(row)
                continue
            if not any(fields):
                continue
            if rows.layout == "delimited":
                # polars takes the number of columns from the first row.
                fields = fields + [""] * (len(rows.columns) - len(fields))
            if writer is not None:
                writer.writerow(fields)
            else:
                file.write(rows.separator.join(fields) + "\n")
            lines.append(line)
    decoded = replace(table.decoded, plain=target)
    clean = replace(rows, decoded=decoded, header=False, blank_lines=0, record_lines=lines)
    return table.replace_rows(clean), examples, count


def _read_delimited(table: Table) -> Iterator[tuple[int, list[str], str]]:
    csv.field_size_limit(_MAX_FIELD)
    width = len(table.columns)
    with open(table.decoded.plain, encoding="utf-8", errors="replace", newline="") as file:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE
        reader = csv.reader(file, delimiter=table.separator, quoting=quoting, strict=True)
        before = table.lines_before
        while True:
            line = reader.line_num + 1
            problem = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields, problem = [], f"a whole record\n{error}"
            if before:
                before -= 1
                continue
            if len(fields) > width:
                problem = f"{say_count(width, 'field')}\n{say_count(len(fields), 'field')}"
            yield line, fields, problem


def _json_problem(text: str, lists: Sequence[str]) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"a JSON object\n{text[:40]} ({error})"
    if not isinstance(value, dict):
        return f"a JSON object\n{text[:60]}"
    single = next((name for name in lists if not isinstance(value.get(name, []), (list, NoneType))), None)
    return "" if single is None else f"a list of {single}\n{json.dumps(value[single])[:60]}"
