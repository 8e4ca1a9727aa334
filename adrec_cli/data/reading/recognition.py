"""What a plain file is: its layout, separator, header and columns, found from its content."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import polars as pl

from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.data.reading.column_names import look_up_column
from adrec_cli.data.reading.decoding import Decoded
from adrec_cli.data.reading.header import assume_names, has_header
from adrec_cli.data.reading.preamble import split_preamble
from adrec_cli.data.reading.table import Layout, Table
from adrec_cli.data.reading.time_shapes import find_shape
from adrec_cli.errors import InputError, NoRowsError, UsageError
from adrec_cli.wording import option

SAMPLE_BYTES: Final = 1 << 18
SAMPLE_ROWS: Final = 200
_NEARLY_ALL: Final = 0.9
_SEPARATORS: Final = ("\t", ",", ";", "|", " ")
_BARE_ID: Final = re.compile(r"[^\s\"'\[\]{}]+")
_SEQUENCE_SEPARATORS: Final = (",", ";", "\t", "|")
_WIDEST_TABLE: Final = 4
"""Lines of user, item, rating and time may lack their end; of longer lines the lengths differ only in sequences."""
# One sequence a line; that every part holds a digit tells ids from prose.
_SEQUENCE: Final = re.compile(r"\S*\d\S*( +\S*\d\S*)+ *")


def recognise(
    decoded: Decoded,
    *,
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    named: Collection[str] = (),
    sequences: bool = False,
) -> Table:
    """Find out how the rows of a file are written.

    Args:
        decoded: the plain file.
        separator: between fields; None finds it. "::" is allowed.
        header: whether the first row names the columns; None finds out.
        columns: names for a file without header.
        named: names of columns that were asked for: one of them in the first row proves a header.
        sequences: whether each line is known to be a user and then items.

    Raises:
        InputError: empty, header only, or in no form that is read.
    """
    if decoded.container != "text":
        return _recognise_binary(decoded)
    lines = _first_lines(decoded)
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise NoRowsError(f"{decoded.path} has no rows", hint="check the export that made it")
    if first.lstrip().startswith("{"):
        return _recognise_jsonl(decoded, lines)
    if _is_json_array(first):
        raise InputError(
            f"{decoded.path} is one JSON array without objects, expected an object for each event",
            hint='write each event as an object, {"user_id": ..., "item_id": ...}',
        )
    if decoded.columns:
        return _recognise_delimited(decoded, lines, ",", header=False, columns=decoded.columns)
    preamble = split_preamble(lines)
    if preamble.notes:
        lines = preamble.lines
        separator = separator or preamble.separator or _find_separator(lines, decoded.path)
        if header is None:
            header = has_header(_rows(lines, separator)[: SAMPLE_ROWS + 1], decoded.path, named=named)
        table = _recognise_delimited(decoded, lines, separator, header=header, columns=columns)
        return replace(table, notes=(*preamble.notes, *table.notes))
    _refuse_counts(lines, decoded.path)
    if sequences and _may_be_sequences(lines, separator or ""):
        return _recognise_sequences(decoded, lines, separator or "")
    separator = separator or _find_separator(lines, decoded.path)
    is_bare = not header and columns is None and not named
    if separator == "sequences" or (is_bare and _holds_sequences(lines, separator)):
        return _recognise_sequences(decoded, lines, "" if separator == "sequences" else separator)
    if header is None:
        header = has_header(_rows(lines, separator)[: SAMPLE_ROWS + 1], decoded.path, named=named)
    return _recognise_delimited(decoded, lines, separator, header=header, columns=columns)


def _is_json_array(line: str) -> bool:
    """Return whether a first line begins a JSON array, not a table whose first cell begins with a bracket."""
    if not line.lstrip().startswith("["):
        return False
    try:
        return isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return re.match(r"\s*\[\s*([\[{]|$)", line) is not None


def split_fields(lines: list[str], separator: str, *, quoted: bool) -> list[list[str]]:
    """Split sample lines into fields, as the scan will."""
    if separator == "::":
        return [line.split("::") for line in lines]
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    # A carriage return within a line is no line end here, though the csv module thinks so.
    reader = csv.reader([line.replace("\r", " ") for line in lines], delimiter=separator, quoting=quoting)
    rows = []
    while True:
        try:
            rows.append(next(reader))
        except StopIteration:
            return rows
        except csv.Error:
            continue


def _first_lines(decoded: Decoded) -> list[str]:
    with open(decoded.plain, "rb") as file:
        sample = file.read(SAMPLE_BYTES + 1)
    if len(sample) > SAMPLE_BYTES and b"\n" in sample:
        sample = sample[: sample.rindex(b"\n")]
    lines = sample.decode("utf-8", errors="replace").split("\n")
    return [line.removesuffix("\r") for line in lines]


def _find_separator(lines: list[str], path: Path) -> str:
    filled = [line for line in lines if line.strip()][:SAMPLE_ROWS]
    if all("::" in line for line in filled):
        return "::"
    best, best_agreement = "", 0.0
    for separator in _SEPARATORS:
        widths = [len(row) for row in split_fields(filled, separator, quoted=separator in ",;") if row]
        if widths[0] < 2 or (separator == " " and not _holds_ids(filled)):
            continue
        agreement = widths.count(widths[0]) / len(widths)
        if agreement > best_agreement:
            best, best_agreement = separator, agreement
    if best in ("", " ") and best_agreement < 1 and all(_SEQUENCE.fullmatch(line) for line in filled):
        return "sequences"
    if not best:
        raise InputError(
            f"{path}, line 1: no separator found, got {filled[0][:60]!r}, expected fields separated by "
            "comma, tab, ';', '|' or '::', or JSON lines",
            hint=f"say {option('separator')}, or convert the file to CSV, JSON lines or Parquet",
        )
    return best


def _refuse_counts(lines: list[str], path: Path) -> None:
    """Refuse lines that begin with the number of their items, as some published cuts do: no user is named."""
    rows = [line.split() for line in lines[:SAMPLE_ROWS] if line.strip()]
    counted = sum(row[0].isdecimal() and int(row[0]) == len(row) - 1 for row in rows)
    # Rows of one length may be a table whose first column holds one number throughout.
    if len({len(row) for row in rows}) > 1 and counted >= _NEARLY_ALL * len(rows):
        raise InputError(
            f"{path}: each line begins with the number of items after it, {lines[0][:40]!r}, and names no user",
            hint=f"let the number of the line name the user: awk '{{$1 = NR; print}}' {path} > sequences.txt",
        )


def _holds_ids(lines: list[str]) -> bool:
    """Return whether lines with spaces are a table, not prose: some column has a digit in every row."""
    rows = [line.split() for line in (lines[1:] if len(lines) > 1 else lines)]
    return any(all(len(row) > i and re.search(r"\d", row[i]) for row in rows) for i in range(len(rows[0])))


def _recognise_delimited(
    decoded: Decoded, lines: list[str], separator: str, *, header: bool, columns: Sequence[str] | None
) -> Table:
    rows, notes = _rows(lines, separator), list[str]()
    if header:
        names = tuple(name.strip().removeprefix("\ufeff") for name in rows[0])
        rows = rows[1:]
    elif columns is not None:
        names = tuple(columns)
    else:
        names, notes = assume_names(rows[:SAMPLE_ROWS])
    if not rows:
        raise NoRowsError(
            f"{decoded.path} has a header and no rows: its only line is {separator.join(names)[:60]!r}",
            hint=f"check the export that made it; if that line is a row, say {option('header', False)}",
        )
    return Table(
        decoded=decoded,
        layout="double-colon" if separator == "::" else "delimited",
        separator=separator,
        quoted=_is_quoted(lines, separator),
        header=header,
        blank_lines=next(number for number, line in enumerate(lines) if line.strip()),
        columns=names,
        sample=tuple(tuple(row) for row in rows[:SAMPLE_ROWS]),
        notes=tuple(notes),
    )


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    """Split the first lines into fields, from the first line that holds anything."""
    if len(separator.encode()) != 1 and separator != "::":
        raise UsageError(f"separator {separator!r} is not one character", hint="use one ASCII character, or '::'")
    first = next(number for number, line in enumerate(lines) if line.strip())
    return [row for row in split_fields(lines[first:], separator, quoted=_is_quoted(lines, separator)) if row]


def _is_quoted(lines: list[str], separator: str) -> bool:
    if separator in (",", ";"):
        return True
    first = lines[:SAMPLE_ROWS]
    return separator == "\t" and (
        any(re.search(r'(^|\t)"[^\t]*"(\t|$)', line) for line in first) or _is_whole_in_quotes(first, separator)
    )


def _is_whole_in_quotes(lines: list[str], separator: str) -> bool:
    """Return whether rows have as many fields as the first only where quotes hold them together.

    Text with stray quotes, as many files with tabs have it, is of one width without them, or of several either way; and
    two of them that hold rows between them hold their separators.
    """
    lines = [line.replace("\r", " ") for line in lines]
    width = next(line for line in lines if line.strip()).count(separator) + 1
    rows = csv.reader(lines, delimiter=separator, strict=True)
    held, begin = False, 0
    try:
        for row in rows:
            of_row, begin = lines[begin : rows.line_num], rows.line_num
            widths = [line.count(separator) + 1 for line in of_row]
            if row and (len(row) != width or (len(of_row) > 1 and sum(widths) - len(of_row) + 1 != width)):
                return False
            held |= bool(row) and widths != [width]
    except csv.Error:
        # The sample may end within a cell.
        return held and rows.line_num == len(lines)
    return held


def _recognise_jsonl(decoded: Decoded, lines: list[str]) -> Table:
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
        if len(records) >= SAMPLE_ROWS or number >= 5 * SAMPLE_ROWS:
            break
    names = tuple(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise InputError(
            f"{decoded.path}, line 1: expected a JSON object a line, got {lines[0][:60]!r}",
            hint="check that the file is JSON lines",
        )
    sample = tuple(tuple(_json_text(record.get(name)) for name in names) for record in records)
    return Table(decoded=decoded, layout="jsonl", columns=names, sample=sample)


def _json_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _recognise_sequences(decoded: Decoded, lines: list[str], separator: str) -> Table:
    filled = [line.strip() for line in lines[:SAMPLE_ROWS] if line.strip()]
    rows = tuple(tuple(line.split(separator or None)) for line in filled)
    return Table(
        decoded=decoded,
        layout="sequences",
        separator=separator,
        columns=("user_id", "items"),
        sample=rows,
        notes=("one sequence a line: a user, then items in time order",),
    )


def _may_be_sequences(lines: list[str], separator: str) -> bool:
    """Return whether lines hold ids only, at least two, and no names of columns."""
    filled = [line.strip() for line in lines[:SAMPLE_ROWS] if line.strip()]
    if not separator:
        return all(_SEQUENCE.fullmatch(line) for line in filled)
    rows = [line.split(separator) for line in filled]
    bare = all(len(row) > 1 and all(_BARE_ID.fullmatch(field.strip()) for field in row) for row in rows)
    return bare and not any(look_up_column(field) for field in rows[0])


def _holds_sequences(lines: list[str], separator: str) -> bool:
    """Return whether lines are a user and then items, no table: of many lengths, with one id in several places."""
    if separator not in _SEQUENCE_SEPARATORS or not _may_be_sequences(lines, separator):
        return False
    rows = [line.strip().split(separator) for line in lines[:SAMPLE_ROWS] if line.strip()]
    widths = {len(row) for row in rows}
    if len(widths) < 2 or max(widths) <= _WIDEST_TABLE or any(find_shape(field.strip()) for field in rows[0][1:]):
        return False
    places: dict[str, set[int]] = {}
    for row in rows:
        for place, field in enumerate(row[1:]):
            places.setdefault(field.strip(), set()).add(place)
    return any(len(found) > 1 for found in places.values())


def _recognise_binary(decoded: Decoded) -> Table:
    scan = pl.scan_parquet if decoded.container == "parquet" else pl.scan_ipc
    try:
        head = scan(literal(decoded.plain)).head(SAMPLE_ROWS).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InputError(
            f"{decoded.path} is a damaged {decoded.container} file: {str(error).splitlines()[0]}",
            hint="fetch or make the file again",
        ) from error
    if head.is_empty():
        raise NoRowsError(f"{decoded.path} has columns and no rows", hint="check the export that made it")
    sample = tuple(tuple("" if value is None else str(value) for value in row) for row in head.head(20).rows())
    layout: Layout = "parquet" if decoded.container == "parquet" else "arrow"
    return Table(
        decoded=decoded, layout=layout, columns=tuple(head.columns), sample=sample, dtypes=tuple(head.schema.values())
    )
