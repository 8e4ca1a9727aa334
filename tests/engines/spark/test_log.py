"""Pieces of files, brought together in whatever order they come, are the parts of the whole log."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.coding import union_all
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.reading.read_report import ReadReport
from adrec_cli.data.reading.source_content import ReadFiles
from adrec_cli.engines.merging import join_interactions
from adrec_cli.engines.parts import choose_edges
from adrec_cli.engines.spark.log import FileIds, SparkLog, _cut_up, _put_together
from tests.engines.list_parts import spread

ROWS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.integers(0, 9)), min_size=1, max_size=9)


class InOrder:
    """What `SparkLog` asks of the files that were read."""

    def __init__(self, files):
        self.files = files

    def toLocalIterator(self, prefetchPartitions):
        return iter(self.files)


def file_of(rows, split):
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    users, items = frame["user"].unique().sort(), frame["item"].unique().sort()
    return Interactions(
        user=np.searchsorted(users.to_numpy(), frame["user"].to_numpy()).astype(np.int32),
        item=np.searchsorted(items.to_numpy(), frame["item"].to_numpy()).astype(np.int32),
        time=frame["time"].to_numpy(),
        part=None if split is None else np.full(len(rows), split, dtype=np.int8),
        user_ids=users,
        item_ids=items,
    )


def log_of(files, split):
    user_ids, users = union_all([file.user_ids for file in files])
    item_ids, items = union_all([file.item_ids for file in files])
    ids = [
        FileIds(user=user, item=item, user_counts=file.user_counts())
        for user, item, file in zip(users, items, files, strict=True)
    ]
    read = [ReadFiles(tables=[], interactions=file, report=ReadReport()) for file in files]
    return SparkLog(read=InOrder(read), files=ids, user_ids=user_ids, item_ids=item_ids, split=split)


def parts_of(log, edges, shuffle):
    pieces = [
        piece
        for number, (read, ids) in enumerate(zip(log.read.files, log.files, strict=True))
        for piece in _cut_up(edges, (read, (number, ids)))
    ]
    shuffle.shuffle(pieces)
    for number in range(len(edges) - 1):
        mine = (piece for piece in pieces if piece[0] == number)
        yield from _put_together(edges, len(log.item_ids), log.split, number, mine)


@given(
    st.lists(ROWS, min_size=1, max_size=3),
    st.booleans(),
    st.sets(st.sampled_from("abcdef")),
    st.integers(1, 9),
    st.randoms(),
)
def test_pieces_are_the_parts_of_the_whole(files, split, gone, most, shuffle):
    files = [file_of(rows, number if split else None) for number, rows in enumerate(files)]
    log, whole = log_of(files, split), join_interactions(files)
    gone = log.user_ids.is_in(sorted(gone)).to_numpy()
    left_out = [number == 1 for number in range(len(files))]
    whole = whole.leave_out_files(left_out, [len(file) for file in files])
    whole = whole.take(~gone[whole.user])
    log = log.leave_out_files(left_out, []).leave_out_users(gone)
    assert len(log) == len(whole)
    np.testing.assert_array_equal(log.user_counts(), whole.user_counts())
    edges = choose_edges(log.user_counts(), most)
    for found, expected in zip(parts_of(log, edges, shuffle), spread(whole, most), strict=True):
        for name in ("first", "users", "items", "user", "item", "time", "split"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_a_log_is_gathered_as_it_was_read():
    files = [file_of([("a", "x", 3), ("b", "y", 1)], None), file_of([("b", "x", 0)], None)]
    gathered = log_of(files, False).gather()
    assert gathered.user_ids.gather(gathered.user).to_list() == ["a", "b", "b"]
    assert gathered.time.tolist() == [3, 1, 0]
