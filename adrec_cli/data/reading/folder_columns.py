"""Columns that only the names of folders hold, as of a log that is partitioned: `day=2024-01-31/part-0.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from adrec_cli.data.reading.column_names import ROLES
from adrec_cli.data.reading.folder_names import find_folder_values
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.roles import find_known
from adrec_cli.data.reading.sequence_rows import unfold
from adrec_cli.data.reading.table import FolderValues, Table
from adrec_cli.data.reading.time_columns import column_content, find_time_columns
from adrec_cli.data.reading.time_parts import find_calendar_parts
from adrec_cli.errors import InputError

_NOTHING: Final = "__HIVE_DEFAULT_PARTITION__"


def place_folder_columns(
    tables: Sequence[Table], options: ReadOptions, report: ReadReport
) -> tuple[Sequence[Table], ReadOptions]:
    """Return files with the columns that only the names of their folders hold and that are needed, and the options.

    Needed is what is asked for by name, and a user, an item or a time that the files do not have. Values are text, as
    those of a CSV.

    Args:
        tables: the recognised files.
        options: of their reading.
        report: gets a note about what is read so.

    Raises:
        InputError: the folders of a file do not say what those of the first do, or say it twice.
    """
    first = tables[0]
    said = {name: values for name, values in find_folder_values(first.path).items() if name not in first.columns}
    joined = () if options.join is None else options.join.table.columns
    said = {name: values for name, values in said.items() if name not in joined}
    if not said or first.layout == "sequences":
        return tables, options
    needed = {name: "" for name in _list_asked(first, options) if name in said}
    if options.join is None:
        needed |= {name: role for role, name in _find_ids(first, options, list(said)).items()}
        times = _find_times(first, options, said)
        needed |= dict.fromkeys(times, "timestamp")
        if len(times) in (1, 3):
            options = replace(options, timestamp=times[0] if len(times) == 1 else list(times))
    if not needed:
        return tables, options
    names = list(needed)
    report.folder_columns = names
    report.assume(f"read from the names of folders: {', '.join(names)}")
    return [_place(table, names, first) for table in tables], options


def _list_asked(table: Table, options: ReadOptions) -> list[str]:
    """Return the columns that are asked for or remembered by name."""
    request = options.role_request()
    asked = [column for role in ROLES for column in request.find_asked(role, table.columns)]
    asked += [condition.column for condition in options.where]
    return [column for column in asked if isinstance(column, str)]


def _find_ids(table: Table, options: ReadOptions, names: Sequence[str]) -> dict[str, str]:
    """Return the names of users and items that the file itself has not."""
    own, request = unfold(table, options.role_request())
    found = {}
    for role in ("user", "item"):
        if getattr(request, role) is None and find_known(own.columns, role, ()) is None:
            place = find_known(names, role, ())
            if place is not None:
                found[role] = names[place]
    return found


def _find_times(table: Table, options: ReadOptions, said: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the name that can only be the time of a file without one; several where nobody can know."""
    own, request = unfold(table, options.role_request())
    if request.timestamp is not None or options.unit == "order" or own.unfolding is not None:
        return ()
    taken = [place for role in ("user", "item") if (place := find_known(own.columns, role, ())) is not None]
    times = find_time_columns(own.columns, own.sample, own.dtypes, taken=taken)
    if times.chosen is not None or times.rivals:
        return ()
    names, values = list(said), [values[0] for values in said.values()]
    found = find_time_columns(names, [values])
    if found.chosen is not None:
        return (names[found.chosen],)
    parts = find_calendar_parts(names)
    dates = [place for place in found.rivals if column_content([values[place]]) == "dates"]
    return tuple(names[place] for place in parts or dates)


def _place(table: Table, names: Sequence[str], first: Table) -> Table:
    """Return a file with columns behind its own, each of which has one value."""
    said, values = find_folder_values(table.path), []
    for name in names:
        own = name in table.columns
        if own or len(said.get(name, ())) != 1:
            missing = "no folder of it names" if name not in said else "its folders differ in"
            which = "it has a column" if own else missing
            raise InputError(
                f"{table.path}: {which} {name!r}, which is read from the folders of {first.path}",
                hint=f"let one folder of each file say it ({name}=VALUE), or name files that agree",
            )
        values.append(None if said[name][0] == _NOTHING else said[name][0])
    text = tuple("" if value is None else value for value in values)
    width = len(table.columns)
    return replace(
        table,
        columns=(*table.columns, *names),
        dtypes=(*table.dtypes, *(pl.String() for _ in names)) if table.dtypes else (),
        sample=tuple((*row, *[""] * (width - len(row)), *text) for row in table.sample),
        folders=FolderValues(rows=table, names=tuple(names), values=tuple(values)),
    )
