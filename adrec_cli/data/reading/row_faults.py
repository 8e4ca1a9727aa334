"""What is wrong with a row that cannot be read, from its raw values, and what can be done about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from adrec_cli.data.ids import describe_expected_id
from adrec_cli.data.reading import scanning
from adrec_cli.data.reading.bad_rows import BadRow, advise_on_fields, record_place
from adrec_cli.data.reading.collecting import CollectedTable
from adrec_cli.data.reading.open_quotes import advise_on_quotes
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.scanning import OVERFLOW, scan
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.table_times import show_time
from adrec_cli.data.reading.time_formats import describe_format
from adrec_cli.data.reading.times import find_unit
from adrec_cli.data.reading.unfolding import RECORD
from adrec_cli.wording import option, say_count

_BEFORE: Final = 20
"""Rows before a bad one in which a cell may have begun that holds it."""


def describe_bad_row(one: CollectedTable, row: int, options: ReadOptions, report: ReadReport) -> BadRow:
    """Say what is wrong with a bad row, from its raw values."""
    bad = _describe_row(one, row, options, report)
    if bad.hint or one.table.rows is not one.table:
        return bad
    near = scan(one.table, range(len(one.table.columns))).slice(max(0, row - _BEFORE), min(row, _BEFORE) + 1)
    return replace(bad, hint=advise_on_quotes(one.table, near.collect().drop(scanning.BLANK, OVERFLOW).rows()))


def _describe_row(one: CollectedTable, row: int, options: ReadOptions, report: ReadReport) -> BadRow:
    table, roles = one.table, one.roles
    positions = [p for p in (roles.user, roles.item, roles.rating, *roles.times) if p is not None]
    raw = scan(table, sorted(set(positions))).slice(row, 1).collect().row(0, named=True)
    place = record_place(table, row if table.unfolding is None else raw[RECORD])
    if raw[OVERFLOW] and table.unfolding is not None:
        lists = "lists of one length" if len(positions) > 2 else "a list"
        return BadRow(
            path=table.path,
            place=place,
            column=table.columns[roles.item],
            expected=f"{lists} (they must not differ in length)",
            got=_row_text(table, raw[RECORD]),
        )
    if raw[OVERFLOW]:
        expected = f"{say_count(len(table.columns), 'field')}"
        return BadRow(path=table.path, place=place, column="", expected=expected, got="more", hint=advise_on_fields())
    values = {position: "" if raw[f"c{position}"] is None else str(raw[f"c{position}"]) for position in positions}
    if one.frame["user"][row] is None:
        role, position, expected = "user", roles.user, describe_expected_id(values[roles.user], "a user")
    elif one.frame["item"][row] is None:
        role, position, expected = "item", roles.item, describe_expected_id(values[roles.item], "an item")
    elif roles.rating is not None and options.min_rating is not None and not _is_rating(values[roles.rating], one):
        role, position, expected = "rating", roles.rating, "a number"
    else:
        return _describe_time(one, place, show_time(roles.times, raw), options, report)
    return BadRow(
        path=table.path,
        place=place,
        column=table.columns[position],
        expected=expected,
        got=values[position],
        hint_for_all=f"no row has what is expected there: name the right column with {option(f'{role}_column')}",
    )


def _describe_time(one: CollectedTable, place: str, got: str, options: ReadOptions, report: ReadReport) -> BadRow:
    if not one.roles.times:
        raise AssertionError("a row is bad for one of its columns")
    said = options.times()
    plain = got.replace(",", ".") if one.reading.decimal_comma else got
    number = one.reading.kind in ("integer", "float")
    expected = f"a time like the others, {report.time}"
    if said.form is not None:
        expected = describe_format(said.form)
    elif number and not _is_number(plain):
        expected = "a number"
    hint = (
        f"no row has a time there: name another column with {option('timestamp_column')}, "
        f"or its form with {option('timestamp_format')}"
    )
    if number and _is_number(plain) and said.unit is not None:
        unit = find_unit(np.array([float(plain)]))
        if unit not in (None, said.unit):
            hint = f"by their size these are no {said.unit}: say {option('timestamp_unit', unit)}"
    names = ",".join(one.table.columns[position] for position in one.roles.times)
    return BadRow(path=one.table.path, place=place, column=names, expected=expected, got=got, hint_for_all=hint)


def _is_rating(text: str, one: CollectedTable) -> bool:
    return _is_number(text.replace(",", ".", 1) if one.roles.rating_has_comma else text)


def _row_text(table: Table, record: int) -> str:
    """Return the row of a table that an event comes from, as text."""
    rows = table.rows
    values = scan(rows, range(len(rows.columns))).slice(record, 1).collect().drop(scanning.BLANK, OVERFLOW).row(0)
    return ", ".join(str(value) for value in values)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
