"""One column of times in memory, read by the same rules as the times of a whole source."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from adrec_cli.data.reading.time_options import TimeOptions
from adrec_cli.data.reading.time_reading import (
    MONTH_FIRST,
    NEVER,
    TIME,
    ZONED,
    find_reading,
    native_expression,
    time_expressions,
)
from adrec_cli.data.reading.time_settling import ReadTimes, settle_times

FOUND: Final = TimeOptions()
"""Nothing was said."""


def read_times(
    column: pl.Series,
    path: Path,
    options: TimeOptions = FOUND,
) -> pl.Series:
    """Return the times of a column under its name, in an order that is right; null for what is not a time.

    Args:
        column: text, numbers, dates or moments.
        path: of the file, for messages.
        options: what was said about the times.

    Returns:
        microseconds since the epoch (int64); numbers of which neither unit nor format is said stand as they are, as
        their order is that of their times whatever their unit.

    Raises:
        InputError: dates read two ways.
        UsageError: the format cannot be used.
    """
    source = pl.col(column.name)
    if column.dtype == pl.String:
        reading = find_reading(column.drop_nulls().to_list(), unit=options.unit, form=options.form)
        read = time_expressions(source, reading)
    else:
        time, reading = native_expression(source, column.dtype)
        read = {TIME: time}
    frame = column.to_frame().select(**read)
    if reading.kind in ("integer", "float") and options.unit is None and options.form is None:
        return frame[TIME].alias(column.name)
    good = ~frame.select(pl.all_horizontal(pl.col(name).is_null() for name in read if name != ZONED)).to_series()
    absent = NEVER if MONTH_FIRST in read else 0
    arrays = {name: frame[name].fill_null(False if name == ZONED else absent).to_numpy() for name in read}
    table = ReadTimes(
        path=path,
        reading=reading,
        values=arrays[TIME],
        good=good.to_numpy(),
        month_first=arrays.get(MONTH_FIRST),
        zoned=arrays.get(ZONED),
    )
    settled = settle_times([table], options)
    times = pl.Series(column.name, settled.times[0])
    return times.set(~pl.Series(settled.good[0]), None)
