"""A table of events beside one that says whose and when they are: orders, baskets, sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from adrec_cli.data.reading.join_source import JoinSource
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.recognition import SAMPLE_ROWS
from adrec_cli.data.reading.roles import resolve_column
from adrec_cli.data.reading.scanning import BLANK, join_key, scan
from adrec_cli.data.reading.table import Joining, Table
from adrec_cli.errors import InputError
from adrec_cli.wording import inflect, option, say_count

_EXAMPLES: Final = 3


@dataclass(frozen=True, kw_only=True)
class JoinTable:
    """The other file, recognised, and what it is joined on."""

    source: JoinSource
    table: Table


def join_table(rows: Table, other: JoinTable, report: ReadReport) -> Table:
    """Return the table of events with the columns of the other file behind its own.

    Rows whose key the other file lacks count as blank, and are reported.

    Args:
        rows: the recognised events.
        other: the recognised file that is joined.
        report: gets how many rows have no match.

    Raises:
        InputError: a key column is missing, the other file says a key twice or cannot be read, or nothing matches.
        polars.exceptions.PolarsError: the events cannot be read.
    """
    own, foreign = other.source.keys
    key, other_key = _key(rows, own), _key(other.table, foreign)
    if rows.layout == "sequences" or other.table.layout == "sequences":
        raise InputError(
            f"{rows.path}: one sequence a line has no columns to join on", hint=f"leave {option('join')} out"
        )
    behind = [place for place in range(len(other.table.columns)) if place != other_key]
    named = [other.table.columns[place] for place in behind]
    stem = other.table.path.name.split(".")[0]
    names = [f"{stem}.{name}" if name in rows.columns else name for name in named]
    joining = Joining(rows=rows, other=other.table, key=key, other_key=other_key, behind=tuple(behind))
    dtypes = (*_types(rows), *(_types(other.table)[place] for place in behind))
    if rows.layout == "jsonl" or not (rows.dtypes or other.table.dtypes):
        dtypes = ()
    joined = replace(rows, columns=(*rows.columns, *names), dtypes=dtypes, joining=joining)
    _check_keys(other, other_key)
    report.assume(f"the columns of {other.table.path.name} are joined on {rows.columns[key]}")
    _tell_unmatched(joined, joining, other, report)
    sample = scan(joined, range(len(joined.columns)), rows=SAMPLE_ROWS).filter(~pl.col(BLANK)).collect()
    texts = sample.select(f"c{place}" for place in range(len(joined.columns))).rows()
    return replace(joined, sample=tuple(tuple("" if value is None else str(value) for value in row) for row in texts))


def _types(table: Table) -> tuple[pl.DataType, ...]:
    return table.dtypes or tuple(pl.String() for _ in table.columns)


def _key(table: Table, name: str) -> int:
    position = resolve_column(table.columns, name)
    if position is None:
        raise InputError(
            f"{table.path} has no column {name!r} to join on, it has: {', '.join(table.columns[:30])}",
            hint=f"name the column both files have: {option('on', 'order_id')}, or where its name differs: "
            f"{option('on', 'order_id=id')}",
        )
    return position


def _check_keys(other: JoinTable, key: int) -> None:
    table = other.table
    try:
        keys = scan(table, [key]).filter(~pl.col(BLANK)).select(join_key(pl.col(f"c{key}")).alias("key"))
        twice = keys.drop_nulls().group_by("key").len().filter(pl.col("len") > 1).head(1).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"{table.path} cannot be read as {table.layout}: {reason}", hint="fix it") from error
    if twice.height:
        raise InputError(
            f"{table.path}: {table.columns[key]} {twice['key'][0]!r} "
            f"stands in {say_count(twice['len'][0], 'row')}, expected one",
            hint=f"the file of the events comes first, the one with a row for each key goes to {option('join')}",
        )


def _tell_unmatched(joined: Table, joining: Joining, other: JoinTable, report: ReadReport) -> None:
    """Count the rows whose key the other file lacks."""
    rows = scan(joining.rows, [joining.key]).filter(~pl.col(BLANK))
    keys = rows.select(key=join_key(pl.col(f"c{joining.key}")), row=pl.lit(1)).group_by("key").agg(pl.col("row").sum())
    own = keys.collect(engine="streaming")
    foreign = scan(joining.other, [joining.other_key]).select(key=join_key(pl.col(f"c{joining.other_key}")))
    known = foreign.drop_nulls().collect(engine="streaming")
    unmatched = own.join(known, on="key", how="anti").sort("key")
    if unmatched.is_empty():
        return
    name, total, lost = joined.columns[joining.key], int(own["row"].sum()), int(unmatched["row"].sum())
    examples = ", ".join(repr(key) for key in unmatched["key"].drop_nulls()[:_EXAMPLES]) or "an empty one"
    if lost == total:
        theirs = ", ".join(repr(key) for key in known["key"][:_EXAMPLES])
        raise InputError(
            f"{joined.path}: no {name} ({examples}, ...) stands in {other.table.path.name} ({theirs}, ...)",
            hint=f"name the column both files have: {option('on', 'order_id')}, or where its name differs: "
            f"{option('on', 'order_id=id')}",
        )
    report.unmatched.append(
        f"{lost:,} of {say_count(total, 'row')} of {joined.path.name} "
        f"{inflect(lost, 'was', 'were')} left out: their {name} is not in "
        f"{other.table.path.name}, such as {examples}"
    )
