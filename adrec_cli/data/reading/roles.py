"""Which column of a table is the user, the item, the time and the rating: all told at once, or one error."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.data.reading.column_names import ROLES, Role, known_column
from adrec_cli.data.reading.role_guesses import guess_column
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.time_columns import TimeColumns, find_time_columns
from adrec_cli.data.reading.time_parts import find_calendar_parts, in_calendar_order, pair_date_and_clock
from adrec_cli.errors import InputError
from adrec_cli.wording import option, shell_words

__all__ = [
    "ROLES", "Column", "Role", "RoleRequest", "Roles", "TimeColumn", "find_column", "find_known", "find_roles",
    "resolve_column",
]  # fmt: skip

Column = str | int
"""A column by name, or by position counted from 1. A whole number, also one in a text, is always a position."""

TimeColumn = Column | Sequence[Column]
"""A column, or those whose parts make up a time; in a text they stand with commas between them."""

_EXAMPLES: Final = 2
_SHOWN_COLUMNS: Final = 30
_SHOWN_WIDTH: Final = 24


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Positions, counted from 0, of the columns that are read; None where there is none.

    Attributes:
        user, item, timestamp, rating: as their names say.
        further_times: columns with the rest of the time, where `timestamp` holds only its date or its year.
        rating_has_comma: whether fractions of a rating stand behind a comma.
        unused_times: columns that hold dates, or sound like it, and are not read.
    """

    user: int
    item: int
    timestamp: int | None = None
    rating: int | None = None
    further_times: tuple[int, ...] = ()
    rating_has_comma: bool = False
    unused_times: tuple[int, ...] = ()

    @property
    def times(self) -> tuple[int, ...]:
        """Positions of all columns that make up the time, in the order they are joined; none if there is none."""
        return () if self.timestamp is None else (self.timestamp, *self.further_times)


@dataclass(frozen=True, kw_only=True)
class RoleRequest:
    """What is known about the roles before a table is looked at.

    Attributes:
        user, item, rating: columns as asked for; None looks for customary names.
        timestamp: the same, or a date and a time of day, or year, month and day.
        exact: roles whose column is remembered from an earlier file: a text is a name even if it is a number.
        rating_needed: whether a missing rating column is an error.
        rows_in_order: whether the order of the rows may be the time though a column could be it.
        command: what was typed, without columns, for the hint.
    """

    user: Column | None = None
    item: Column | None = None
    timestamp: TimeColumn | None = None
    rating: Column | None = None
    exact: Collection[Role] = ()
    rating_needed: bool = False
    rows_in_order: bool = False
    command: str = ""

    def asked(self, role: Role, columns: Sequence[str]) -> tuple[Column, ...]:
        """Return the columns of a table that were asked for: none, one, or for the time several."""
        column: TimeColumn | None = getattr(self, role)
        if role == "timestamp" and isinstance(column, str) and "," in column and column not in columns:
            return tuple(part.strip() for part in column.split(","))
        if column is None or isinstance(column, (str, int)):
            return () if column is None else (column,)
        return tuple(column)


@dataclass(frozen=True, kw_only=True)
class _FoundTimes:
    """The columns that could be the time, and those with the rest of the time that was found."""

    columns: TimeColumns
    further: tuple[int, ...]


def find_roles(table: Table, request: RoleRequest) -> Roles:
    """Resolve the four roles of a table: as asked for, else by customary names.

    The order of the rows counts as time only if no column could be it, or if `rows_in_order` says so.

    Raises:
        InputError: columns are missing, have two roles, or could be the time and are not told apart; one error that
            names them all, the columns with examples, and what to type.
    """
    columns, problems, found = table.columns, list[str](), dict[Role, int]()
    unknown: list[Role] = []
    further: list[int] = []
    # What is asked for comes first, so that a customary name is looked for among the rest only.
    for role in ROLES:
        for asked in request.asked(role, columns):
            position = resolve_column(columns, asked, exact=role in request.exact)
            if position is None:
                count = columns.count(asked) if isinstance(asked, str) else 0
                several = f"{count} columns" if count else "no column"
                problems.append(f"it has {several} {asked!r} for the {role}")
            elif position in (*found.values(), *further):
                problems.append(f"column {columns[position]!r} has two roles")
            elif role in found:
                further.append(position)
            else:
                found[role] = position
    if len(further) > 2:
        problems.append(
            f"a time cannot stand in {1 + len(further)} columns, only a date and a time of day, or year,month,day"
        )
    for role in ROLES:
        if role != "timestamp" and not request.asked(role, columns):
            position = find_known(columns, role, (*found.values(), *further))
            if position is not None:
                found[role] = position
            elif role != "rating" or request.rating_needed:
                unknown.append(role)
    if unknown:
        problems.append(f"it has no column that is known to be the {' or the '.join(unknown)}")
    times = TimeColumns()
    if request.timestamp is None:
        times = find_time_columns(columns, table.sample, table.dtypes, taken=list(found.values()))
        pair = pair_date_and_clock(table, times, taken=list(found.values()))
        if pair is not None:
            found["timestamp"], further = pair[0], [pair[1]]
        elif times.chosen is not None:
            found["timestamp"] = times.chosen
        elif times.rivals and not request.rows_in_order:
            problems.append(_untold_time(table, times.rivals))
    if problems:
        raise _role_error(table, request, problems, found, _FoundTimes(columns=times, further=tuple(further)))
    ordered = tuple(position for position in (found.get("timestamp"), *further) if position is not None)
    ordered = in_calendar_order([columns[position] for position in ordered], ordered)
    return Roles(
        user=found["user"],
        item=found["item"],
        timestamp=ordered[0] if ordered else None,
        rating=found.get("rating"),
        further_times=ordered[1:],
        unused_times=tuple(place for place in times.unused or times.rivals if place not in ordered),
    )


def find_column(
    columns: Sequence[str],
    path: Path,
    role: Role,
    asked: Column | None,
    *,
    needed: bool,
    taken: Collection[int] = (),
) -> int | None:
    """Return the position, from 0, of the column with a role; None if there is none and none is needed.

    Args:
        columns: names in order.
        path: of the file, for messages.
        role: "user", "item", "timestamp" or "rating".
        asked: a name, or a position from 1; None looks for a customary name.
        needed: whether a missing column is an error.
        taken: positions that have a role already.

    Raises:
        InputError: it is missing.
    """
    listing = ", ".join(columns[:_SHOWN_COLUMNS]) + (", ..." if len(columns) > _SHOWN_COLUMNS else "")
    if asked is not None:
        position = resolve_column(columns, asked)
        if position is None:
            raise InputError(
                f"{path} has no column {asked!r} for the {role}, it has: {listing}",
                hint=f"give a name or a position from 1 to {len(columns)} with {option(f'{role}_column')}",
            )
        return position
    position = find_known(columns, role, taken)
    if position is None and needed:
        raise InputError(
            f"{path} has no column that is known to be the {role}, it has: {listing}",
            hint=f"name it with {option(f'{role}_column')}, or give its position",
        )
    return position


def resolve_column(columns: Sequence[str], asked: Column, *, exact: bool = False) -> int | None:
    """Return the position, from 0, that a name or a position from 1 stands for; None if there is none.

    Args:
        columns: names in order.
        asked: a name that stands once, or a position; a text of digits is a position too.
        exact: whether a text is a name even if it is a number.
    """
    if isinstance(asked, str) and (exact or not asked.isdecimal()):
        return columns.index(asked) if columns.count(asked) == 1 else None
    position = int(asked)
    return position - 1 if 1 <= position <= len(columns) else None


def find_known(columns: Sequence[str], role: Role, taken: Collection[int]) -> int | None:
    """Return the position, from 0, of the column that has a role by its customary name; None if none has.

    Args:
        columns: names in order.
        role: that is looked for.
        taken: positions that have a role already.
    """
    known = [(known_column(name), position) for position, name in enumerate(columns) if position not in taken]
    ranked = sorted((entry[1], position) for entry, position in known if entry is not None and entry[0] == role)
    return ranked[0][1] if ranked else None


def _untold_time(table: Table, rivals: Sequence[int]) -> str:
    shown = " and ".join(_described(table, position) for position in rivals)
    if len(rivals) == 1:
        return f"{shown} could be the time, but its name does not say so"
    return f"{shown} could each be the time"


def _role_error(
    table: Table, request: RoleRequest, problems: list[str], found: Mapping[Role, int], times: _FoundTimes
) -> InputError:
    listing = ", ".join(_described(table, position) for position in range(len(table.columns))[:_SHOWN_COLUMNS])
    more = ", ..." if len(table.columns) > _SHOWN_COLUMNS else ""
    message = f"{table.path}: {'; '.join(problems)}; its columns: {listing}{more}"
    guessed = dict(found)
    untold = "timestamp" not in found and bool(times.columns.rivals)
    further = list(times.further)
    if untold:
        parts = find_calendar_parts(table.columns)
        first = times.columns.rivals[0]
        guessed["timestamp"], *further = parts if first in parts else (first,)
    needed: tuple[Role, ...] = ("user", "item", "rating") if request.rating_needed else ("user", "item")
    for role in needed:
        free = set(range(len(table.columns))).difference(guessed.values(), further)
        guess = guess_column(role, table.columns, table.sample, free)
        if role not in guessed and guess is None:
            return InputError(message, hint="name a file with a column of users and one of items")
        if role not in guessed and guess is not None:
            guessed[role] = guess
    placed = {role: (guessed[role], *(further if role == "timestamp" else ())) for role in ROLES if role in guessed}
    columns = [
        word for role, positions in placed.items() for word in shell_words(f"{role}_column", _spelled(table, positions))
    ]
    command = f"{request.command} {shlex.join(columns)}".strip()
    order = f"; or, if the rows stand in order: {option('timestamp_unit', 'order')}" if untold else ""
    return InputError(message, hint=f"say which is which, for example: {command}{order}")


def _spelled(table: Table, positions: Sequence[int]) -> str:
    """Return columns as they are typed: by name where a name can mean only it, else by position."""
    named = table.header or table.layout in ("jsonl", "parquet", "arrow")
    typed = []
    for position in positions:
        name = table.columns[position]
        plain = bool(name.strip()) and not name.isdecimal() and table.columns.count(name) == 1
        comma = len(positions) > 1 and "," in name
        typed.append(name if named and plain and not comma else str(position + 1))
    return ",".join(typed)


def _described(table: Table, position: int) -> str:
    """Return a column with its first values."""
    values = [row[position] for row in table.sample if len(row) > position and row[position].strip()]
    examples = list(dict.fromkeys(values))[:_EXAMPLES]
    shown = ", ".join(repr(_shortened(value)) for value in examples)
    return f"{table.columns[position]} ({shown})" if shown else f"{table.columns[position]} (empty)"


def _shortened(value: str) -> str:
    return value if len(value) <= _SHOWN_WIDTH else f"{value[: _SHOWN_WIDTH - 1]}…"
