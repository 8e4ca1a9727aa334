"""The order of events whose lists have no times: that of the list, as long as a user has one."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.reading.table import Table
from adrec_cli.data.reading.unfolding import POSITION, RECORD
from adrec_cli.errors import InputError
from adrec_cli.wording import option


def order_lists(frame: pl.DataFrame, table: Table, *, rows_in_order: bool) -> tuple[pl.Series, NDArray[np.bool_]]:
    """Return the times of events that have none, and which events say again what another row of their user says.

    Args:
        frame: events with `user`, `item`, `record` and `position`, in the order of the rows.
        table: they come from, for messages.
        rows_in_order: whether the rows of a user are known to stand in order.

    Raises:
        InputError: a user has several rows that differ, and nothing says which comes first.
    """
    again = np.zeros(frame.height, dtype=np.bool_)
    rows = frame.group_by(RECORD, maintain_order=True).agg(pl.col("user").first())
    several = rows.filter(pl.col("user").is_not_null() & pl.col("user").is_duplicated())
    if several.is_empty():
        return frame[POSITION].alias("time"), again
    lists = frame.filter(pl.col(RECORD).is_in(several[RECORD].implode()))
    lists = lists.group_by(RECORD, maintain_order=True).agg(
        pl.col("user").first(), pl.col("item").cast(pl.String).fill_null("").str.join("\0").alias("list")
    )
    first = lists.unique(["user", "list"], keep="first", maintain_order=True)
    differing = first.filter(pl.col("user").is_duplicated())
    if differing.height and not rows_in_order:
        user = differing["user"].cast(pl.String)[0]
        places = [int(record) + 1 for record in differing.filter(pl.col("user").cast(pl.String) == user)[RECORD][:2]]
        raise InputError(
            f"{table.path}: user {user!r} has several rows of items that differ, such as {places[0]} and {places[1]}, "
            "and no times say which comes first",
            hint=f"name the times with {option('timestamp_column')}; or, if the rows stand in order: "
            f"{option('timestamp_unit', 'order')}",
        )
    repeated = lists.join(first.select(RECORD), on=RECORD, how="anti")[RECORD]
    again = frame[RECORD].is_in(repeated.implode()).to_numpy()
    if differing.height:
        return pl.int_range(frame.height, dtype=pl.Int64, eager=True).alias("time"), again
    return frame[POSITION].alias("time"), again
