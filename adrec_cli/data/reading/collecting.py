"""One recognised table, collected: coded ids, times as they stand, and what each row is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.ids import SHORT_FLOATS, id_values, no_id_type, normal_ids
from adrec_cli.data.reading import scanning
from adrec_cli.data.reading.bad_rows import bad_rows_error, drop_malformed
from adrec_cli.data.reading.coded_rows import collect_coded
from adrec_cli.data.reading.column_names import names_a_session
from adrec_cli.data.reading.fit import check_fit
from adrec_cli.data.reading.joining import join_table
from adrec_cli.data.reading.list_cells import look_like_several
from adrec_cli.data.reading.list_order import order_lists
from adrec_cli.data.reading.open_quotes import find_swallowed_rows
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.roles import Roles, find_roles
from adrec_cli.data.reading.scanning import OVERFLOW, scan
from adrec_cli.data.reading.sequence_rows import unfold
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.table_times import begin_reading, find_failing, has_decimal_comma, read_time_columns
from adrec_cli.data.reading.time_reading import (
    MONTH_FIRST,
    NEVER,
    TIME,
    ZONED,
    TimeReading,
    find_reading,
)
from adrec_cli.data.reading.time_settling import ReadTimes
from adrec_cli.data.reading.unfolding import PART, POSITION, RECORD
from adrec_cli.data.reading.where import condition_holds, find_decimal_commas, no_row_left, place_conditions
from adrec_cli.errors import InputError
from adrec_cli.wording import option

OK, BAD, BELOW_RATING, BLANK, UNMET = range(5)
"""What a row is good for; UNMET does not meet a condition."""


@dataclass(kw_only=True)
class CollectedTable:
    """One table, collected: columns `user`, `item`, `time`, perhaps `part`; `state` says what each row is."""

    table: Table
    roles: Roles
    reading: TimeReading
    frame: pl.DataFrame
    state: NDArray[np.uint8]

    def take_times(self) -> ReadTimes:
        """Take the columns of times out of the frame."""
        taken = {
            name: self.frame.drop_in_place(name).to_numpy() if name in self.frame.columns else None
            for name in (TIME, MONTH_FIRST, ZONED)
        }
        values = taken[TIME]
        if values is None:
            raise AssertionError("a collected table has times, or the order of its rows")
        return ReadTimes(
            path=self.table.path,
            reading=self.reading,
            values=values,
            good=self.state == OK,
            month_first=taken[MONTH_FIRST],
            zoned=taken[ZONED],
        )


def collect_table(table: Table, options: ReadOptions, report: ReadReport, scratch: Path) -> CollectedTable:
    """Read one table; rows that cannot be read stay, marked as bad.

    Args:
        table: the recognised file.
        options: columns, least rating, bad rows.
        report: gets what is left out because it is malformed.
        scratch: folder for temporary copies.

    Raises:
        InputError: a column is missing, the file is damaged, or a row is malformed and bad rows are errors.
    """
    table = _join(table, options, report, scratch)
    cells = None if options.remembered is None else options.remembered.get("item_cells")
    wanted = [condition.column for condition in options.where]
    table, request = unfold(table, options.role_request(), cells=cells, wanted=wanted)
    _tell_lists(table, report)
    if options.remembered is not None:
        check_fit(table, options.remembered, rating_needed=options.min_rating is not None)
    roles = find_roles(table, request)
    positions = {"user": roles.user, "item": roles.item, "timestamp": roles.timestamp, "rating": roles.rating}
    names: dict[str, str | list[str]] = {
        role: table.columns[position] for role, position in positions.items() if position is not None
    }
    _keep_positions(report, positions, table)
    if roles.further_times:
        names["timestamp"] = [table.columns[position] for position in roles.times]
    _same_columns(report, names, table)
    if options.min_rating is not None and roles.rating is not None and has_decimal_comma(table, roles.rating):
        roles = replace(roles, rating_has_comma=True)
        report.assume("ratings have a decimal comma")
    for position in find_decimal_commas(table, place_conditions(table, options.where)):
        report.assume(f"{table.columns[position]} has a decimal comma")
    _say_what_columns_mean(report, roles, table)
    report.by_rows = not roles.times and (not _has_lists(table) or options.unit == "order")
    try:
        read = _normalise(_read_events(table, roles, options), options, report)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        clean = _drop_malformed(table, options, report, scratch, error)
        try:
            read = _normalise(_read_events(clean, roles, options), options, report)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as second:
            raise _unreadable(table, second) from second
    _doubt_quotes(read, options, report)
    return read


def _doubt_quotes(read: CollectedTable, options: ReadOptions, report: ReadReport) -> None:
    """Refuse a table of which a quoted cell holds rows, or say so where bad rows are left out."""
    table, times = read.table, read.roles.times
    if not times or table.unfolding is not None or table.joining is not None or times[0] >= len(table.rows.columns):
        return
    rows = find_swallowed_rows(table, times[0], read.frame.height)
    if not rows:
        return
    held = f"{table.path}: a cell in quotes holds what look like rows, {rows!r}"
    if options.on_bad_row == "error":
        raise InputError(
            f"{held}: is a quote not closed?",
            hint="close it, or write two for one inside a cell; if the cell is right, "
            f"say {option('on_bad_row', 'skip')}",
        )
    report.doubts.append(f"{held}, which was not read: is a quote not closed?")


def _join(table: Table, options: ReadOptions, report: ReadReport, scratch: Path) -> Table:
    """Return a table with the columns of the file that is joined, itself if none is."""
    if options.join is None:
        return table
    try:
        return join_table(table, options.join, report)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        clean = _drop_malformed(table, options, report, scratch, error)
        try:
            return join_table(clean, options.join, report)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as second:
            raise _unreadable(table, second) from second


def _drop_malformed(
    table: Table, options: ReadOptions, report: ReadReport, scratch: Path, error: BaseException
) -> Table:
    """Return a copy of a table without its malformed records, which are counted or raised."""
    if table.layout in ("parquet", "arrow"):
        raise _unreadable(table, error) from error
    clean, examples, count = drop_malformed(table, scratch)
    if count and options.on_bad_row == "error":
        raise bad_rows_error(examples, count) from error
    report.rows += count
    if count:
        report.bad_rows.add(table.path, examples, count)
    return clean


def _say_what_columns_mean(report: ReadReport, roles: Roles, table: Table) -> None:
    user = table.columns[roles.user]
    if names_a_session(user):
        report.assume(f"each session ({user}) is taken as a user: a person with several sessions is several users")
    items = [row[roles.item].strip() for row in table.sample if len(row) > roles.item]
    if look_like_several(items) and not _has_lists(table):
        report.assume(f"each cell of {table.columns[roles.item]!r} is taken as one item, though many could be lists")
    if roles.unused_times:
        unused = ", ".join(table.columns[position] for position in roles.unused_times)
        report.assume(f"not read as the time: {unused}")


def _keep_positions(report: ReadReport, positions: Mapping[str, int | None], table: Table) -> None:
    """Let the manifest remember where columns stand that have their name with others."""
    repeated = {
        role: {"name": table.columns[position], "position": position + 1}
        for role, position in positions.items()
        if position is not None and table.columns.count(table.columns[position]) > 1
    }
    if repeated:
        report.found["repeated"] = repeated


def _same_columns(report: ReadReport, names: Mapping[str, str | list[str]], table: Table) -> None:
    if report.columns and report.columns != names:
        raise InputError(
            f"{table.path} has {names}, the files before it {report.columns}",
            hint=f"name the columns with {option('user_column')}, "
            f"{option('item_column')} and {option('timestamp_column')}",
        )
    report.columns = dict(names)


def _unreadable(table: Table, error: BaseException) -> InputError:
    reason = str(error).strip().splitlines() or ["no reason given"]
    return InputError(f"{table.path} cannot be read as {table.layout}: {reason[0]}", hint="make or fetch it again")


def _tell_lists(table: Table, report: ReadReport) -> None:
    """Say, and let the manifest remember, how lists of items are written where only the values tell."""
    unfolding = table.unfolding
    if unfolding is None or unfolding.item is None or table.layout == "sequences":
        return
    cells = unfolding.leaves[unfolding.item].cells
    if cells in ("value", "list"):
        return
    report.found["item_cells"] = cells
    form = "in brackets" if cells == "bracketed" else f"separated by {cells!r}"
    report.assume(f"column {table.columns[unfolding.item]!r} holds lists of items {form}")


def _read_events(table: Table, roles: Roles, options: ReadOptions) -> CollectedTable:
    """Read a table as its first rows suggest; where rows do not fit, as more of them do."""
    reading = begin_reading(table, roles.times, options.times())
    read = _collect(table, roles, reading, options)
    if reading.kind not in ("integer", "float", "text") or not (read.state == BAD).any():
        return read
    failing = find_failing(table, roles.times, reading)
    tried = [reading.wider(failing)] if failing else []
    if failing and not reading.forced and np.count_nonzero(read.state == BAD) * 2 > len(read.state):
        # The first rows are not like most of them.
        tried.append(find_reading(failing))
    for other in tried:
        if other is not None and other.family != "short-year":
            again = _collect(table, roles, other, options)
            if np.count_nonzero(again.state == BAD) < np.count_nonzero(read.state == BAD):
                read = again
    return read


def _collect(table: Table, roles: Roles, reading: TimeReading, options: ReadOptions) -> CollectedTable:
    placed = place_conditions(table, options.where)
    commas = find_decimal_commas(table, placed)
    own = (roles.user, roles.item, *roles.times, roles.rating)
    positions = sorted({p for p in (*own, *(position for position, _ in placed)) if p is not None})
    dtypes = table.dtypes or (pl.String(),) * len(table.columns)
    user, item = pl.col(f"c{roles.user}"), pl.col(f"c{roles.item}")
    bad, unmet = pl.lit(False), pl.lit(False)
    columns = {"user": _id(user, dtypes[roles.user], table), "item": _id(item, dtypes[roles.item], table)}
    if roles.times:
        times, reading = read_time_columns(table, roles.times, reading)
        bad = bad | pl.all_horizontal(times[name].is_null() for name in (TIME, MONTH_FIRST) if name in times)
        absent = NEVER if MONTH_FIRST in times else 0
        columns |= {name: time.fill_null(False if name == ZONED else absent) for name, time in times.items()}
    below: pl.Expr = pl.lit(False)
    if roles.rating is not None and options.min_rating is not None:
        rating = pl.col(f"c{roles.rating}")
        if roles.rating_has_comma:
            rating = rating.str.replace(",", ".", literal=True)
        if str(dtypes[roles.rating]) in SHORT_FLOATS:
            # By its text, as 3.7 of 32 bits is another number than 3.7.
            rating = rating.cast(pl.String)
        rating = rating.cast(pl.Float64, strict=False).fill_nan(None)
        bad, below = bad | rating.is_null(), rating < options.min_rating
    for position, condition in placed:
        comma = position in commas
        unmet = unmet | ~condition_holds(condition, pl.col(f"c{position}"), dtypes[position], comma=comma)
    # What is not asked for may be as bad as it likes.
    state = pl.when(pl.col(scanning.BLANK)).then(BLANK).when(pl.col(OVERFLOW)).then(BAD).when(unmet).then(UNMET)
    state = state.when(bad).then(BAD).when(below).then(BELOW_RATING)
    columns["state"] = state.otherwise(OK).cast(pl.UInt8)
    has_lists = _has_lists(table)
    if has_lists and not roles.times:
        columns |= {name: pl.col(name) for name in (RECORD, POSITION)}
    if table.unfolding is not None and table.unfolding.held_out is not None:
        columns[PART] = pl.col(PART)
    frame = collect_coded(scan(table, positions).select(**columns), ("user", "item"))
    states = frame.drop_in_place("state").to_numpy()
    # A night without such events is no slip of the hand where the data set has met these conditions before.
    proven = options.remembered is not None and bool(options.remembered.get("where"))
    # Nor is a file no row of which can meet a condition on what its folders say.
    proven = proven or any(table.says_by_folder(table.columns[place]) for place, _ in placed)
    if placed and not proven and len(states) and np.isin(states, (BLANK, UNMET)).all():
        raise no_row_left(table, placed)
    if not roles.times and has_lists:
        places, again = order_lists(frame, table, rows_in_order=options.unit == "order")
        states = np.where(again & (states == OK), np.uint8(BLANK), states)
        frame = frame.drop(RECORD, POSITION).with_columns(places)
    elif not roles.times:
        frame = frame.with_columns(time=pl.int_range(pl.len(), dtype=pl.Int64))
    return CollectedTable(table=table, roles=roles, reading=reading, frame=frame, state=states)


def _has_lists(table: Table) -> bool:
    return table.unfolding is not None and table.unfolding.item is not None


def _repeats_header(read: CollectedTable) -> NDArray[np.bool_]:
    """Return which rows say the names of the columns again, as where files were put behind one another."""
    table, names = read.table, read.table.columns
    if not table.header or table.unfolding is not None or table.joining is not None:
        return np.zeros(read.frame.height, dtype=np.bool_)
    # The names of folders are the same in every row.
    width = len(table.rows.columns)
    own = {role: place for role, place in {"user": read.roles.user, "item": read.roles.item}.items() if place < width}
    again = [(read.frame[role] == names[place]).fill_null(False).to_numpy() for role, place in own.items()]
    repeated: NDArray[np.bool_] = np.logical_and.reduce(again)
    return repeated


def _id(column: pl.Expr, dtype: pl.DataType, table: Table) -> pl.Expr:
    if what := no_id_type(dtype):
        raise InputError(
            f"{table.path}: an id column holds {dtype}, {what}, expected text or numbers", hint="name another column"
        )
    return id_values(column, dtype)


def _normalise(read: CollectedTable, options: ReadOptions, report: ReadReport) -> CollectedTable:
    """Bring the ids into their normal form; a row without one is bad, and one that says the header again is blank."""
    for role in ("user", "item"):
        ids = normal_ids(read.frame[role], keep_blanks=options.keep_blanks)
        report.stripped[role] = report.stripped.get(role, 0) + ids.stripped
        position = read.roles.user if role == "user" else read.roles.item
        floats = bool(read.table.dtypes) and read.table.dtypes[position].is_float()
        report.whole[role] = report.whole.get(role, 0) + (len(ids.column) if floats else ids.whole)
        if ids.column.null_count():
            without = ids.column.is_null().to_numpy() & ~np.isin(read.state, (BLANK, UNMET))
            read.state = np.where(without, np.uint8(BAD), read.state)
        read.frame = read.frame.with_columns(ids.column.alias(role))
    again = _repeats_header(read)
    if again.any():
        read.state = np.where(again, np.uint8(BLANK), read.state)
        headers = int(np.count_nonzero(again))
        report.assume(f"{read.table.path.name}: rows that say the header again were left out ({headers:,})")
    return read
