"""Tables of any recognised layout, read into coded interactions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import encode
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.bad_rows import EXAMPLES, bad_rows_error
from adrec_cli.data.reading.collecting import (
    BAD,
    BELOW_RATING,
    BLANK,
    OK,
    UNMET,
    CollectedTable,
    collect_table,
)
from adrec_cli.data.reading.file_order import place_behind, says_no_times, settle_order
from adrec_cli.data.reading.folder_columns import place_folder_columns
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import FileRows, ReadReport
from adrec_cli.data.reading.row_faults import describe_bad_row
from adrec_cli.data.reading.row_hashes import content_sha256
from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.time_settling import settle_times


def read_interactions(
    tables: Sequence[Table], options: ReadOptions, *, parts: Sequence[int] | None, scratch: Path
) -> tuple[Interactions, ReadReport]:
    """Read tables of one kind, one after the other, into coded interactions.

    Args:
        tables: the recognised files, in the order that decides ties.
        options: columns, unit, least rating, bad rows.
        parts: for each table 0, 1 or 2 where the files are train, valid and test; None otherwise.
        scratch: folder for temporary copies.

    Raises:
        InputError: a column is missing, or a row is bad and bad rows are errors.
    """
    report = ReadReport(form=tables[0].form)
    if options.column("user") is None or options.column("item") is None:
        report.notes += dict.fromkeys(note for table in tables for note in table.notes)
    tables, options = place_folder_columns(tables, options, report)
    read = [collect_table(table, options, report, scratch) for table in tables]
    times = _settle(read, options, report)
    frames = []
    for number, one in enumerate(read):
        _account_bad(one, options, report)
        report.below_rating += int(np.count_nonzero(one.state == BELOW_RATING))
        report.unmet += int(np.count_nonzero(one.state == UNMET))
        report.rows += int(np.count_nonzero(one.state != BLANK))
        frame = one.frame
        if parts is not None:
            frame = frame.with_columns(pl.lit(parts[number], dtype=pl.Int8).alias("part"))
        good = one.state == OK
        if not good.all():
            frame, times[number] = frame.filter(pl.Series(good)), times[number][good]
        frames.append(frame)
        one.frame = pl.DataFrame()
    merged = pl.concat(_same_id_types(frames))
    del frames
    user, user_ids = encode(merged.drop_in_place("user"))
    item, item_ids = encode(merged.drop_in_place("item"))
    part = merged["part"].to_numpy() if "part" in merged.columns else None
    time = times[0] if len(times) == 1 else np.concatenate(times)
    interactions = Interactions(user=user, item=item, time=time, part=part, user_ids=user_ids, item_ids=item_ids)
    report.files = _hash_rows(interactions, read)
    if parts is None and says_no_times(report):
        interactions = _order_files(interactions, tables, report)
    return interactions, report


def _order_files(interactions: Interactions, tables: Sequence[Table], report: ReadReport) -> Interactions:
    """Return the events of files without times one file behind the other."""
    rows = [file.rows for file in report.files]
    settle_order(tables, np.split(interactions.user, np.cumsum(rows)[:-1]), report)
    return place_behind(interactions, rows)


def _hash_rows(interactions: Interactions, read: Sequence[CollectedTable]) -> list[FileRows]:
    files, first = [], 0
    for one in read:
        counts = np.bincount(one.state, minlength=UNMET + 1)
        rows, left_out = int(counts[OK]), int(counts[BELOW_RATING] + counts[UNMET])
        own = slice(first, first + rows)
        sha256 = content_sha256(interactions, own, left_out=left_out)
        time = interactions.time[own]
        begin, end = (int(time.min()), int(time.max())) if rows else (0, 0)
        files.append(FileRows(path=one.table.path, rows=rows, content_sha256=sha256, first=begin, last=end))
        first += rows
    return files


def _same_id_types(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    for name in ("user", "item"):
        if len({frame.schema[name] for frame in frames}) > 1:
            text = pl.col(name).cast(pl.String).cast(pl.Categorical)
            frames = [frame.with_columns(text) for frame in frames]
    return frames


def _settle(read: list[CollectedTable], options: ReadOptions, report: ReadReport) -> list[NDArray[np.int64]]:
    """Return the times of every table; rows whose times turn out to be none become bad ones."""
    tables = [one.take_times() for one in read]
    settled = settle_times(tables, options.times())
    report.time, report.timed = settled.said, settled.timed
    if options.unit is None and options.time_format is None:
        report.found |= {"timestamp_unit": settled.unit, "timestamp_format": settled.form}
    report.time_warnings += settled.warnings
    for one, good in zip(read, settled.good, strict=True):
        wrong = (one.state == OK) & ~good
        if wrong.any():
            one.state = np.where(wrong, np.uint8(BAD), one.state)
    return settled.times


def _account_bad(one: CollectedTable, options: ReadOptions, report: ReadReport) -> None:
    bad = np.flatnonzero(one.state == BAD)
    if not len(bad):
        return
    examples = [describe_bad_row(one, int(row), options, report) for row in bad[:EXAMPLES]]
    if options.on_bad_row == "error":
        raise bad_rows_error(examples, len(bad), rows=int(np.count_nonzero(one.state != BLANK)))
    report.bad_rows.add(one.table.path, examples, len(bad))
