"""An update that repeats what is there already, where repeated events count: an export of the last weeks, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adrec_cli.data.coding import Codes, union_ids
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.names import Overlap
from adrec_cli.data.reading.source_content import SourceContent
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.updating import Existing
from adrec_cli.errors import InputError
from adrec_cli.wording import option, say_count

MUCH: Final = 0.5
"""Part of the events up to the last repeated one. Of late events, or of a day in two files, next to none is there."""
FEWEST: Final = 20
"""Repeated events; fewer are said, and prove nothing."""
_EVENT: Final = ("user", "item", "time")


def settle_overlap(
    existing: Existing, content: SourceContent[Interactions], rows: Sequence[int], wanted: Overlap | None
) -> SourceContent[Interactions]:
    """Return an update without the events that are there already, or with them, as asked for.

    Args:
        existing: the data set that is added to, which keeps repeated events.
        content: the update, with times; its report gets a note where something is there already.
        rows: how many interactions each of its files has.
        wanted: "once" or "again"; None refuses a long stretch that is there, and counts fewer events again.

    Raises:
        InputError: much of it is there, and nobody said whether that counts again.
    """
    new = content.interactions
    there = find_there(existing.interactions, new, rows)
    repeated = int(np.count_nonzero(there))
    if not repeated:
        return content
    before = existing.manifest.dataset if len(rows) == 1 else f"{existing.manifest.dataset} or a file before"
    are = "is" if repeated == 1 else "are"
    said = f"{repeated:,} of {say_count(len(new), 'interaction')} {are} in {before} already"
    if wanted == "once":
        content.report.notes.append(f"{said}, with the same user, item and time, and not taken again")
        return replace(content, interactions=new.take(~there))
    if wanted is None and _is_long(new, there, rows):
        raise InputError(
            f"{said}, with the same user, item and time, the last of {moment_text(int(new.time[there].max()))}: "
            f"{option('duplicates', 'keep')} would count them again",
            hint=f"to take only what is new: {option('overlap', 'once')}; if they happened again: "
            f"{option('overlap', 'again')}",
        )
    content.report.notes.append(f"{said}, with the same user, item and time, and count again, as duplicates are kept")
    return content


def _is_long(new: Interactions, there: NDArray[np.bool_], rows: Sequence[int]) -> bool:
    """Return whether most of what a file says up to its last repeated event is there."""
    ends = np.cumsum(rows, dtype=np.int64)
    for begin, end in zip(ends - rows, ends, strict=True):
        time, repeated = new.time[begin:end], there[begin:end]
        count = np.count_nonzero(repeated)
        if count >= FEWEST and count >= MUCH * np.count_nonzero(time <= time[repeated].max()):
            return True
    return False


def find_there(old: Interactions, new: Interactions, rows: Sequence[int]) -> NDArray[np.bool_]:
    """Return which new interactions are there before their file: as many equal ones as one file or data set has.

    Args:
        old: of the data set.
        new: of files, one after the other.
        rows: how many each of them has.
    """
    if not len(old) or not len(new):
        return np.zeros(len(new), dtype=np.bool_)
    _, old_user, new_user = union_ids(old.user_ids, new.user_ids)
    _, old_item, new_item = union_ids(old.item_ids, new.item_ids)
    near = (old.time >= new.time.min()) & (old.time <= new.time.max())
    before = np.zeros(np.count_nonzero(near), dtype=np.int32)
    file = np.repeat(np.arange(1, 1 + len(rows), dtype=np.int32), rows)
    columns: dict[str, tuple[Codes | NDArray[np.int64], Codes | NDArray[np.int64]]] = {
        "user": (old_user[old.user[near]], new_user[new.user]),
        "item": (old_item[old.item[near]], new_item[new.item]),
        "time": (old.time[near], new.time),
        "file": (before, file),
    }
    frame = pl.DataFrame({name: np.concatenate(both) for name, both in columns.items()})
    # The second of equal events in one file is there only where another file, or the data set, has a second one, too.
    numbered = frame.with_columns(number=pl.int_range(pl.len()).over(*_EVENT, "file"))
    first = numbered.select(pl.struct(*_EVENT, "number").is_first_distinct()).to_series().to_numpy()
    return ~first[len(before) :]
