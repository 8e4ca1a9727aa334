"""Events newer than a data set, read as the data set was: what `recommend --events` puts behind the histories."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.data.audience_files import read_events
from adrec_cli.data.datasets import Filters
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.plan import Plan, find_join
from adrec_cli.data.reading.fit import describe_misfit
from adrec_cli.data.reading.folder_columns import place_folder_columns
from adrec_cli.data.reading.read_options import ReadOptions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.remembered import recall_options, recall_reading
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.data.reading.source_content import read_files, read_source, recognise_file
from adrec_cli.data.settings import settle
from adrec_cli.errors import InputError
from adrec_cli.schema import ITEM_ID, USER_ID


def read_newest_events(path: Path, manifest: Manifest) -> pl.DataFrame:
    """Read events as columns `user_id` and `item_id`, oldest first.

    Args:
        path: a file written as the data set's sources are, with its columns, times, conditions and least rating; or one
            with `user_id`, `item_id` and perhaps `timestamp`, as adrec itself calls them.
        manifest: of the data set.

    Raises:
        InputError: missing, unreadable, of another form, or with rows that cannot be read.
    """
    remembered = recall_reading(manifest)
    if not {"user", "item"} <= remembered.columns.keys():
        return read_events(path)
    settings = settle(PreprocessOptions(), None, Filters(), recall_options(manifest))
    plan = Plan(
        dataset=manifest.dataset, spec=None, form=None, paths=(path,), parts=None, item=None, settings=settings,
        expected=None, remembered=remembered,
    )  # fmt: skip
    with scratch_folder(None) as scratch:
        options = ReadOptions(remembered=remembered, min_rating=settings.min_rating)
        (table,), _ = place_folder_columns([recognise_file(path, plan, scratch)], options, ReadReport())
        first_row = () if table.header or not table.sample else table.sample[0]
        misfit = describe_misfit(table, remembered, rating_needed=settings.min_rating is not None)
        # adrec's own names may stand between other separators than those of the data set.
        if misfit and {USER_ID, ITEM_ID} <= set(re.findall(r"\w+", " ".join((*table.columns, *first_row)))):
            return read_events(path)
        join, _ = find_join(None, settings, remembered, (path,))
        plan = replace(plan, join=join)
        if misfit and join is None:
            raise InputError(
                f"{path} is not written as {manifest.dataset} was read: {misfit}",
                hint=f"write it so, or with the columns {USER_ID}, {ITEM_ID} and timestamp",
            )
        interactions = read_source(plan, scratch, read_files).interactions
    events = pl.DataFrame(
        {
            USER_ID: interactions.user_ids.gather(interactions.user),
            ITEM_ID: interactions.item_ids.gather(interactions.item),
            "time": interactions.time,
        }
    )
    return events.sort("time", maintain_order=True).select(USER_ID, ITEM_ID)
