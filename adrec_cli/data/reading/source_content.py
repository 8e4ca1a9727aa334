"""A plan's files, read: interactions, what is known about the items, and what was found out on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import polars as pl

from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.demo import demo_interactions, demo_metadata
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.interactions import Interactions, Log
from adrec_cli.data.placeholders import warn_of_placeholder
from adrec_cli.data.plan import Plan
from adrec_cli.data.reading.attribute_maps import as_attribute_table
from adrec_cli.data.reading.blocks import as_rows
from adrec_cli.data.reading.conditions import parse_condition
from adrec_cli.data.reading.decoding import Decoded, decode
from adrec_cli.data.reading.events import read_interactions
from adrec_cli.data.reading.folder_names import find_folder_columns
from adrec_cli.data.reading.item_columns import EventItems, recognise_items
from adrec_cli.data.reading.item_metadata import ItemFile, read_item_file
from adrec_cli.data.reading.joining import JoinTable
from adrec_cli.data.reading.json_documents import as_object_lines
from adrec_cli.data.reading.literal_lines import as_json_lines
from adrec_cli.data.reading.pickled_cuts import is_pickle, write_cut_as_parquet
from adrec_cli.data.reading.read_limits import ReadLimits
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.recognition import recognise
from adrec_cli.data.reading.remembered import describe_reading
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.wide_tables import refuse_wide
from adrec_cli.data.settings import Settings
from adrec_cli.errors import InputError
from adrec_cli.wording import option

HEAD_ROWS: Final = 5


L = TypeVar("L", bound=Log)
L_co = TypeVar("L_co", bound=Log, covariant=True)


@dataclass(frozen=True, kw_only=True)
class SourceContent(Generic[L_co]):
    """A source as it was read.

    Attributes:
        interactions: all that can be read and is rated well enough.
        report: what was found and left out.
        metadata: about the items, with `item_id`; None if nothing is known.
        metadata_source: name of the file it comes from.
        items: that file as it was read; None if there is none.
        found: layout, columns, encoding and so on, for the manifest.
        reading: what the manifest remembers, so that the next file is read the same way.
        head: the first rows of the first file as they stand, under `columns`.
        columns: names of its columns.
    """

    interactions: L_co
    report: ReadReport
    metadata: pl.DataFrame | None = None
    metadata_source: str = ""
    items: ItemFile | None = None
    found: dict[str, Any]
    reading: dict[str, Any] = field(default_factory=dict)
    head: tuple[tuple[str, ...], ...] = ()
    columns: tuple[str, ...] = ()

    def count_left_out(self, settings: Settings) -> list[FilterApplied]:
        """Return what reading has left out already."""
        bad = self.report.bad_rows.count
        applied = [FilterApplied(name="bad_rows", interactions=bad)] if bad else []
        if settings.where:
            applied.append(FilterApplied(name="where", interactions=self.report.unmet))
        if settings.min_rating is not None:
            applied.append(FilterApplied(name="min_rating", interactions=self.report.below_rating))
        return applied


@dataclass(frozen=True, kw_only=True)
class ReadFiles(Generic[L_co]):
    """The files of a plan, read.

    Attributes:
        tables: each file as it was recognised, in the order of the plan.
        interactions: of all of them, one file after the other.
        report: what was found and left out.
    """

    tables: Sequence[Table]
    interactions: L_co
    report: ReadReport


Reader = Callable[[Plan, Path], ReadFiles[L]]
"""Reads the files of a plan; the folder is for temporary copies."""


def read_files(plan: Plan, scratch: Path) -> ReadFiles[Interactions]:
    """Read the files of a plan in this process.

    Raises:
        InputError: a file is bad, or they are not of one form.
    """
    tables = [recognise_file(path, plan, scratch) for path in plan.paths]
    check_alike(tables)
    interactions, report = read_interactions(tables, _read_options(plan, scratch), parts=plan.parts, scratch=scratch)
    return ReadFiles(tables=tables, interactions=interactions, report=report)


def read_source(plan: Plan, scratch: Path, read: Reader[L]) -> SourceContent[L | Interactions]:
    """Read what a plan names.

    Args:
        plan: files and settings.
        scratch: folder for temporary copies.
        read: reads its files.

    Raises:
        InputError: a file is bad.
    """
    if plan.generated:
        interactions = demo_interactions()
        report = ReadReport(rows=len(interactions), timed=True)
        found = {"layout": "generated", "time": "generated times"}
        return SourceContent(
            interactions=interactions,
            report=report,
            metadata=demo_metadata(),
            metadata_source="the generator",
            found=found,
        )
    files = read(plan, scratch)
    tables, report = files.tables, files.report
    plan.limits.require_few_rows(report.rows, plan.paths[0].parent if len(plan.paths) > 1 else plan.paths[0])
    _say_unread_folders(plan.paths, report)
    report.user_warnings = warn_of_placeholder(files.interactions, report)
    items = _read_items(plan, files.interactions.item_ids, report, scratch)
    return SourceContent(
        interactions=files.interactions,
        report=report,
        metadata=None if items is None else items.metadata,
        metadata_source="" if items is None else items.path.name,
        items=items,
        found=_findings(tables, report),
        reading=_reading(plan, tables[0], report, items),
        head=tables[0].sample[:HEAD_ROWS],
        columns=tables[0].columns,
    )


def _say_unread_folders(paths: Sequence[Path], report: ReadReport) -> None:
    """Say what only the names of folders hold, as of a log that is partitioned: `day=2024-01-31`."""
    if len({path.parent for path in paths}) == 1:
        return
    if names := [name for name in find_folder_columns(paths) if name not in report.folder_columns]:
        report.assume(f"not read, as only names of folders hold it: {', '.join(names)}")


def recognise_file(path: Path, plan: Plan, scratch: Path) -> Table:
    """Find out how a file of a plan is written, where neither its settings nor what is remembered say so.

    Raises:
        InputError: it is in no form that is read.
    """
    settings = plan.settings
    decoded = decode_file(path, settings.encoding, scratch, plan.limits)
    columns = plan.form.columns if plan.form is not None and plan.form.columns else None
    separator, header, sequences = settings.separator, settings.header, False
    if plan.remembered is not None and decoded.container == "text":
        separator = separator or plan.remembered.get("separator")
        header = plan.remembered.get("header") if header is None else header
        sequences = plan.remembered.get("layout") == "sequences"
    asked = (settings.user_column, settings.item_column, settings.timestamp_column, settings.rating_column)
    keys = () if plan.join is None else plan.join.keys
    named = {column for column in (*asked, *keys) if isinstance(column, str) and not column.isdecimal()}
    table = recognise(decoded, separator=separator, header=header, columns=columns, named=named, sequences=sequences)
    named_columns = table.header or table.dtypes or table.layout == "jsonl"
    if named_columns and plan.form is None and settings.item_column is None:
        refuse_wide(table, encoding=settings.encoding, separator=settings.separator)
    return table


def decode_file(path: Path, encoding: str | None, scratch: Path, limits: ReadLimits) -> Decoded:
    """Return a file as plain text or a table, whatever it is packed in; errors as `decode`."""
    require_regular_file(path)
    if is_pickle(path):
        target = scratch / f"{len(list(scratch.iterdir()))}-cut.parquet"
        write_cut_as_parquet(path, target)
        return Decoded(path=path, plain=target, container="parquet", compression="", encoding="")
    decoded = decode(path, encoding=encoding, scratch=scratch, limits=limits)
    if decoded.container != "text":
        return decoded
    return as_rows(as_object_lines(as_json_lines(decoded, scratch), scratch), scratch)


def check_alike(tables: Sequence[Table]) -> None:
    """Refuse files of several forms; those whose columns have names may have them in another order.

    Raises:
        InputError: naming the first that differs.
    """
    first = tables[0]
    for table in tables[1:]:
        named = all(one.header or one.dtypes or one.layout == "jsonl" for one in (first, table))
        if table.layout != first.layout or (table.columns != first.columns and not named):
            raise InputError(
                f"{table.path} differs from {first.path.name}: {table.layout} with {', '.join(table.columns)}, "
                f"expected {first.layout} with {', '.join(first.columns)}",
                hint=f"name only files of one form; metadata of items goes to {option('items')}",
            )


def _recognise_joined(plan: Plan, scratch: Path) -> JoinTable | None:
    if plan.join is None:
        return None
    settings = plan.settings
    asked = (settings.user_column, settings.item_column, settings.timestamp_column, settings.rating_column)
    named = {column for column in (*asked, *plan.join.keys) if isinstance(column, str) and not column.isdecimal()}
    table = recognise(decode_file(plan.join.path, None, scratch, plan.limits), named=named)
    return JoinTable(source=plan.join, table=table)


def _read_options(plan: Plan, scratch: Path) -> ReadOptions:
    settings = plan.settings
    return ReadOptions(
        user=settings.user_column,
        item=settings.item_column,
        timestamp=settings.timestamp_column,
        rating=settings.rating_column,
        unit=settings.timestamp_unit,
        time_format=settings.timestamp_format,
        zone=settings.timezone,
        min_rating=settings.min_rating,
        on_bad_row=settings.on_bad_row,
        keep_blanks=settings.keep_blanks,
        join=_recognise_joined(plan, scratch),
        where=tuple(parse_condition(text) for text in settings.where),
        remembered=plan.remembered,
        command=plan.command,
    )


def _read_items(plan: Plan, item_ids: pl.Series, report: ReadReport, scratch: Path) -> ItemFile | None:
    """Read the item file, whose columns are found with the help of the events."""
    if plan.item is None:
        return None
    form, columns = plan.item.form, plan.item.columns
    if plan.remembered is not None:
        columns = columns.complete(plan.remembered.get("items"))
    own = report.columns.get("item") or report.columns.get("items") or ""
    others = [name for role, names in report.columns.items() if role not in ("item", "items") for name in _each(names)]
    events = EventItems(ids=item_ids, column=_each(own)[0], others=others)
    decoded = as_attribute_table(
        decode_file(plan.item.path, (form and form.encoding) or None, scratch, plan.limits), scratch
    )
    if form is None:
        table = recognise_items(decoded, columns, events)
    else:
        table = recognise(decoded, separator=form.separator or None, header=form.header, columns=form.columns or None)
    items = read_item_file(table, columns, events, scratch=scratch, keep_blanks=plan.settings.keep_blanks)
    report.notes += items.notes
    return items


def _each(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _reading(plan: Plan, table: Table, report: ReadReport, items: ItemFile | None) -> dict[str, Any]:
    reading = describe_reading(table, report.columns, plan.settings.parameters(), report.found, report.lines())
    reading["items"] = None if items is None else items.reading()
    return reading if plan.remembered is None else plan.remembered.merge(reading)


def _findings(tables: Sequence[Table], report: ReadReport) -> dict[str, Any]:
    first = tables[0]
    return {
        "layout": first.layout,
        "separator": first.separator,
        "header": first.header,
        "encoding": first.decoded.encoding,
        "compression": first.decoded.compression,
        "columns": dict(report.columns),
        "time": report.time,
        "bad_rows": report.bad_rows.count,
    }
