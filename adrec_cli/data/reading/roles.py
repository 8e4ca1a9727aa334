"""Which column of a table is the user, the item, the time and the rating: all found at once, or one error."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from adrec_cli.data.reading.column_names import ROLES, Column, Role, TimeColumn, look_up_column
from adrec_cli.data.reading.role_guesses import guess_column
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.time_columns import TimeColumns, find_time_columns
from adrec_cli.data.reading.time_parts import find_calendar_parts, in_calendar_order, pair_date_and_clock
from adrec_cli.errors import InputError
from adrec_cli.wording import option, say_count, shell_words

__all__ = [
    "ROLES", "Column", "Role", "RoleRequest", "Roles", "TimeColumn", "find_column", "find_known", "find_roles",
    "resolve_column",
]  # fmt: skip

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
        rows_in_order: whether the order of the rows may be the time although a column could be it.
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

    def find_asked(self, role: Role, columns: Sequence[str]) -> tuple[Column, ...]:
        """Return the columns of a table that were asked for: none, one, or for the time several."""
        column: TimeColumn | None = getattr(self, role)
        if role == "timestamp" and isinstance(column, str) and "," in column and column not in columns:
            return tuple(part.strip() for part in column.split(","))
        if column is None or isinstance(column, (str, int)):
            return () if column is None else (column,)
        return tuple(column)


@dataclass(kw_only=True)
class _Search:
    """The roles of a table as they are found, and what stands against them.

    Attributes:
        table: that is looked at.
        request: what is known before.
        found: the position of each role so far.
        further: positions of the rest of the time.
        problems: what the one error will say.
        times: the columns that could be the time, where none was asked for.
    """

    table: Table
    request: RoleRequest
    found: dict[Role, int] = field(default_factory=dict)
    further: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    times: TimeColumns = field(default_factory=TimeColumns)

    def take_asked(self) -> None:
        """Give roles the columns that were asked for."""
        for role in ROLES:
            for asked in self.request.find_asked(role, self.table.columns):
                self._take(role, asked)
        if len(self.further) > 2:
            self.problems.append(
                f"a time cannot stand in {say_count(1 + len(self.further), 'column')}, "
                "only a date and a time of day, or "
                "year,month,day"
            )

    def _take(self, role: Role, asked: Column) -> None:
        columns = self.table.columns
        position = resolve_column(columns, asked, exact=role in self.request.exact)
        if position is None:
            count = columns.count(asked) if isinstance(asked, str) else 0
            several = f"{say_count(count, 'column')}" if count else "no column"
            self.problems.append(f"it has {several} {asked!r} for the {role}")
        elif position in self._list_taken():
            self.problems.append(f"column {columns[position]!r} has two roles")
        elif role in self.found:
            self.further.append(position)
        else:
            self.found[role] = position

    def take_known(self) -> None:
        """Give roles that nobody asked for, but for the time, columns with customary names."""
        unknown: list[Role] = []
        for role in ROLES:
            if role == "timestamp" or self.request.find_asked(role, self.table.columns):
                continue
            position = find_known(self.table.columns, role, self._list_taken())
            if position is not None:
                self.found[role] = position
                if role != "rating" or self.request.rating_needed:
                    self._require_one(role, position)
            elif role != "rating" or self.request.rating_needed:
                unknown.append(role)
        if unknown:
            self.problems.append(f"it has no column that is known to be the {' or the '.join(unknown)}")

    def _require_one(self, role: Role, position: int) -> None:
        """Say it is a problem where another column has as good a name."""
        columns = self.table.columns
        known = look_up_column(columns[position])
        rivals = [place for place, name in enumerate(columns) if look_up_column(name) == known]
        if len(free := [place for place in rivals if place == position or place not in self._list_taken()]) > 1:
            shown = " and ".join(f"column {place + 1}, {_describe(self.table, place)}," for place in free)
            self.problems.append(f"{shown} could each be the {role}")

    def take_time(self) -> None:
        """Give the time the column, or the date and the clock, that can be no other; unless it was asked for."""
        if self.request.timestamp is not None:
            return
        table, taken = self.table, list(self.found.values())
        self.times = find_time_columns(table.columns, table.sample, table.dtypes, taken=taken)
        pair = pair_date_and_clock(table, self.times, taken=taken)
        if pair is not None:
            self.found["timestamp"], self.further = pair[0], [pair[1]]
        elif self.times.chosen is not None:
            self.found["timestamp"] = self.times.chosen
        elif self.times.rivals and not self.request.rows_in_order:
            self.problems.append(_describe_rivals(table, self.times.rivals))

    def _list_taken(self) -> tuple[int, ...]:
        return (*self.found.values(), *self.further)


def find_roles(table: Table, request: RoleRequest) -> Roles:
    """Resolve the four roles of a table: as asked for, else by customary names.

    The order of the rows counts as time only if no column could be it, or if `rows_in_order` says so.

    Raises:
        InputError: columns are missing, have two roles, or are ambiguous as the time; one error that
            names them all, the columns with examples, and what to type.
    """
    search = _Search(table=table, request=request)
    # What is asked for comes first, so that a customary name is looked for among the rest only.
    search.take_asked()
    search.take_known()
    search.take_time()
    if search.problems:
        raise _role_error(search)
    found, times = search.found, search.times
    read = tuple(position for position in (found.get("timestamp"), *search.further) if position is not None)
    read = in_calendar_order([table.columns[position] for position in read], read)
    return Roles(
        user=found["user"],
        item=found["item"],
        timestamp=read[0] if read else None,
        rating=found.get("rating"),
        further_times=read[1:],
        unused_times=tuple(place for place in times.unused or times.rivals if place not in read),
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
    known = [(look_up_column(name), position) for position, name in enumerate(columns) if position not in taken]
    ranked = sorted((entry[1], position) for entry, position in known if entry is not None and entry[0] == role)
    return ranked[0][1] if ranked else None


def _describe_rivals(table: Table, rivals: Sequence[int]) -> str:
    shown = " and ".join(_describe(table, position) for position in rivals)
    if len(rivals) == 1:
        return f"{shown} could be the time, but its name does not say so"
    return f"{shown} could each be the time"


def _role_error(search: _Search) -> InputError:
    """Return the one error with all problems, the columns with examples, and the command that tells them apart."""
    table, rivals = search.table, search.times.rivals
    listing = ", ".join(_describe(table, position) for position in range(len(table.columns))[:_SHOWN_COLUMNS])
    more = ", ..." if len(table.columns) > _SHOWN_COLUMNS else ""
    message = f"{table.path}: {'; '.join(search.problems)}; its columns: {listing}{more}"
    guessed, further = dict(search.found), list(search.further)
    untold = "timestamp" not in guessed and bool(rivals)
    if untold:
        parts = find_calendar_parts(table.columns)
        guessed["timestamp"], *further = parts if rivals[0] in parts else (rivals[0],)
    needed: tuple[Role, ...] = ("user", "item", "rating") if search.request.rating_needed else ("user", "item")
    for role in needed:
        if role in guessed:
            continue
        free = set(range(len(table.columns))).difference(guessed.values(), further)
        guess = guess_column(role, table.columns, table.sample, free)
        if guess is None:
            hint = "name a file with a column of users and one of items"
            return InputError(message, hint=f"leave out {option('min_rating')}" if role == "rating" else hint)
        guessed[role] = guess
    placed = {role: (guessed[role], *(further if role == "timestamp" else ())) for role in ROLES if role in guessed}
    columns = [
        word for role, positions in placed.items() for word in shell_words(f"{role}_column", _spell(table, positions))
    ]
    typed = f"{search.request.command} {shlex.join(columns)}".strip()
    order = f"; or, if the rows stand in order: {option('timestamp_unit', 'order')}" if untold else ""
    return InputError(message, hint=f"say which is which, for example: {typed}{order}")


def _spell(table: Table, positions: Sequence[int]) -> str:
    """Return columns as they are typed: by name where a name can mean only it, else by position."""
    named = table.header or table.layout in ("jsonl", "parquet", "arrow")
    typed = []
    for position in positions:
        name = table.columns[position]
        plain = bool(name.strip()) and not name.isdecimal() and table.columns.count(name) == 1
        comma = len(positions) > 1 and "," in name
        typed.append(name if named and plain and not comma else str(position + 1))
    return ",".join(typed)


def _describe(table: Table, position: int) -> str:
    """Return a column with its first values."""
    values = [row[position] for row in table.sample if len(row) > position and row[position].strip()]
    examples = list(dict.fromkeys(values))[:_EXAMPLES]
    shown = ", ".join(repr(_shorten(value)) for value in examples)
    return f"{table.columns[position]} ({shown})" if shown else f"{table.columns[position]} (empty)"


def _shorten(value: str) -> str:
    return value if len(value) <= _SHOWN_WIDTH else f"{value[: _SHOWN_WIDTH - 1]}…"
