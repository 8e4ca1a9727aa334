"""Files that were read apart, each in a process of its own, as if they had been read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from adrec_cli.data.coding import union_all
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.plan import Plan
from adrec_cli.data.reading.file_order import place_behind, says_no_times
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.source_content import ReadFiles, read_files
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_SAY_HOW: Final = "say how all times are written, with {unit} or {form}, or leave the file out"


def read_apart(plan: Plan, number: int, scratch: Path) -> ReadFiles[Interactions]:
    """Read one of a plan's files as if it were the only one, in its place among them; as `read_files`."""
    parts = None if plan.parts is None else (plan.parts[number],)
    read = read_files(replace(plan, paths=(plan.paths[number],), parts=parts), scratch)
    if plan.parts is not None or not says_no_times(read.report):
        return read
    return replace(read, interactions=place_behind(read.interactions, [len(read.interactions)], first=number))


def merge_reports(tables: Sequence[Table], reports: Sequence[ReadReport]) -> ReadReport:
    """Return the report that reading the files together gives.

    What only all files decide, such as the unit of times, is taken from each alone: where they do not agree, nothing
    is guessed.

    Args:
        tables: the files.
        reports: of each, read alone.

    Raises:
        InputError: files do not agree, or what they agree on might be otherwise for all of them.
    """
    if len(reports) == 1:
        return reports[0]
    decisive = _require_agreement(tables, reports)
    whole = ReadReport(
        rows=sum(report.rows for report in reports),
        below_rating=sum(report.below_rating for report in reports),
        unmet=sum(report.unmet for report in reports),
        unmatched=[line for report in reports for line in report.unmatched],
        form=reports[0].form,
        columns=reports[0].columns,
        time=decisive.time,
        timed=decisive.timed,
        by_rows=any(report.by_rows for report in reports),
        found=decisive.found,
        time_warnings=_name_files(tables, reports),
        files=[file for report in reports for file in report.files],
        folder_columns=reports[0].folder_columns,
    )
    for table, report in zip(tables, reports, strict=True):
        if report.bad_rows.count:
            whole.bad_rows.add(table.path, report.bad_rows.examples, report.bad_rows.count)
        for role in report.stripped:
            whole.stripped[role] = whole.stripped.get(role, 0) + report.stripped[role]
            whole.whole[role] = whole.whole.get(role, 0) + report.whole[role]
    # Notes about how a file is written stand before those about its rows, as where files are read together.
    written = {note: None for table in tables for note in table.notes}
    said = {note: None for report in reports for note in report.notes}
    whole.notes = [*(note for note in written if note in said), *(note for note in said if note not in written)]
    return whole


def join_interactions(parts: Sequence[Interactions]) -> Interactions:
    """Return the interactions of all files, one file after the other."""
    user_ids, user_ranks = union_all([part.user_ids for part in parts])
    item_ids, item_ranks = union_all([part.item_ids for part in parts])
    splits = [part.part for part in parts if part.part is not None]
    # Column by column, so that little stands in memory twice.
    user = np.concatenate([ranks[part.user] for ranks, part in zip(user_ranks, parts, strict=True)])
    item = np.concatenate([ranks[part.item] for ranks, part in zip(item_ranks, parts, strict=True)])
    time = np.concatenate([part.time for part in parts])
    return Interactions(
        user=user, item=item, time=time, part=np.concatenate(splits) if splits else None,
        user_ids=user_ids, item_ids=item_ids,
    )  # fmt: skip


def _require_agreement(tables: Sequence[Table], reports: Sequence[ReadReport]) -> ReadReport:
    """Return the report of a file that speaks for all.

    Raises:
        InputError: none does.
    """
    first = reports[0]
    speaks = next((report for report in reports if _counts(report)), first)
    for table, report in zip(tables, reports, strict=True):
        if report.columns != first.columns:
            raise InputError(
                f"{table.path} has {report.columns}, the files before it {first.columns}",
                hint=f"name the columns with {option('user_column')}, "
                f"{option('item_column')} and {option('timestamp_column')}",
            )
        if _describe_times(report, speaks) != _describe_times(speaks, speaks):
            raise InputError(
                f"{table.path}: read alone it has {report.time}; {tables[0].path.name} has {speaks.time}",
                hint=_SAY_HOW.format(unit=option("timestamp_unit"), form=option("timestamp_format")),
            )
        if report.bad_rows.count and speaks.found.get("timestamp_unit") is not None:
            raise InputError(
                f"{table.path} has bad rows, and the unit of its times was found from their size: "
                "which of them are bad only all files together tell",
                hint=f"say the unit: {option('timestamp_unit', speaks.found['timestamp_unit'])}",
            )
    return speaks


def _counts(report: ReadReport) -> bool:
    """Return whether a file has interactions, whose times say how they are written."""
    return any(file.rows for file in report.files)


def _describe_times(report: ReadReport, speaks: ReadReport) -> tuple[object, ...]:
    """Return what is to be the same for all files; of a file without interactions, what it knows."""
    if _counts(report):
        return report.timed, report.time, report.found
    unknown = {"timestamp_unit": speaks.found.get("timestamp_unit")} if "timestamp_unit" in report.found else {}
    return report.timed, speaks.time, {**report.found, **unknown}


def _name_files(tables: Sequence[Table], reports: Sequence[ReadReport]) -> list[str]:
    return [
        f"{table.path.name}: {warning}"
        for table, report in zip(tables, reports, strict=True)
        for warning in report.time_warnings
    ]
