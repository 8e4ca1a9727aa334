"""Events of several files that say no times: those of a file stand behind those of the files before it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from adrec_cli.data.coding import Codes
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_PLACES: Final = 1 << 40
"""More than a file has. Each file has as many, so that it can be read without knowing how long the others are."""
_SHOWN: Final = 5


def place_behind(interactions: Interactions, rows: Sequence[int], *, first: int = 0) -> Interactions:
    """Return events whose times are places in their files with the files one behind the other.

    Args:
        interactions: of the files, in their order.
        rows: how many each file has.
        first: number of the first of these files, from 0.
    """
    if first + len(rows) == 1:
        return interactions
    before = np.arange(first, first + len(rows), dtype=np.int64) * _PLACES
    return replace(interactions, time=interactions.time + np.repeat(before, rows))


def says_no_times(report: ReadReport) -> bool:
    """Return whether places in the files stand for times that are not there."""
    return bool(report.columns) and "timestamp" not in report.columns


def settle_order(tables: Sequence[Table], users: Sequence[Codes], report: ReadReport) -> None:
    """Say in which order files without times follow each other; refuse lists of one user in several of them.

    Args:
        tables: the files; none of them part of a split.
        users: of each file, in codes that all files share.
        report: of reading them; gets the note.

    Raises:
        InputError: naming the first two files that share a user, where nothing says which comes first.
    """
    if len(tables) == 1 or not says_no_times(report):
        return
    if report.by_rows:
        root = os.path.commonpath([table.path.parent.absolute() for table in tables])
        names = [os.path.relpath(table.path.absolute(), root) for table in tables]
        shown = names if len(names) <= _SHOWN else [*names[: _SHOWN - 1], "...", names[-1]]
        report.assume(f"the files follow each other by name: {', '.join(shown)}")
        return
    first = np.full(1 + max((int(codes.max()) for codes in users if len(codes)), default=0), -1, dtype=np.int64)
    for number, codes in enumerate(users):
        there = codes[codes >= 0]
        shared = first[there][first[there] >= 0]
        if len(shared):
            raise InputError(
                f"{tables[int(shared[0])].path} and {tables[number].path} both have items of the same user, "
                "and no times say which come first",
                hint=f"name the times with {option('timestamp_column')}; or, if the files and their rows stand in "
                f"order: {option('timestamp_unit', 'order')}",
            )
        first[there] = number
