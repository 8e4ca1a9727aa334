"""A cut of parts by user is the cut of the whole, and its files have the same bytes."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data import dataset_files
from adrec_cli.data.cuts import make_cut, resolve_moments
from adrec_cli.data.dataset_files import item_table, write_dataset_files
from adrec_cli.data.datasets import Filters
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.settings import settle
from adrec_cli.engines import spread_files
from adrec_cli.engines.parts import choose_edges
from adrec_cli.engines.spread_cut import can_be_spread, cut_parts
from adrec_cli.engines.spread_files import write_spread_files
from adrec_cli.errors import AdrecError
from tests.engines.list_parts import spread
from tests.engines.logs import try_run
from tests.tiers import sampled

DAY = 86_400 * 10**6


@st.composite
def coded(draw):
    """Interactions of a few users and items, some without any, perhaps split already."""
    users, items = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    event = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1), st.integers(1, 5), st.integers(0, 2))
    rows = np.array(draw(st.lists(event, max_size=40)), dtype=np.int64).reshape(-1, 4)
    return Interactions(
        user=rows[:, 0].astype(np.int32),
        item=rows[:, 1].astype(np.int32),
        time=rows[:, 2] * DAY,
        part=rows[:, 3].astype(np.int8) if draw(st.booleans()) else None,
        user_ids=pl.Series([f"u{number}" for number in range(users)]),
        item_ids=pl.Series([str(number) for number in range(items)], dtype=pl.String),
    )


OPTIONS = st.builds(
    lambda split, **others: PreprocessOptions(**split, **others),
    st.sampled_from(
        [{}, {"split": "leave-one-out"}, {"split": "time", "valid_from": "1970-01-03", "test_from": "1970-01-05"},
         {"split": "time", "valid_from": "-2d", "test_from": "-1d"}, {"split": "given"}]
    ),
    min_user_interactions=st.integers(0, 3),
    min_item_interactions=st.integers(0, 3),
    max_length=st.sampled_from([0, 3, 4]),
    ties=st.sampled_from(["source", "item"]),
    duplicates=st.sampled_from(["drop", "keep"]),
)  # fmt: skip


def make_here(interactions, settings, folder):
    cut = make_cut(interactions, settings, [])
    indices = np.arange(1, len(cut.interactions.item_ids) + 1, dtype=np.int32)
    items = item_table(cut.interactions, cut.bounds, indices)
    write_dataset_files(folder, cut.interactions, cut.bounds, items, indices, cut.pending)
    told = [cut.removed, cut.split, cut.moments, items["item_id"].to_list(), items["count"].to_list()]
    return [*told, len(cut.interactions), len(cut.interactions.user_ids), read(folder)]


def make_in_parts(interactions, settings, folder, most):
    parts = spread(interactions, most)
    cut = cut_parts(parts, settings, [], given=interactions.part is not None)
    moments = resolve_moments(cut.kept.last, settings) if cut.split == "time" else {}
    written = write_spread_files(folder, cut, interactions.user_ids, interactions.item_ids, moments)
    ids = interactions.item_ids.filter(pl.Series(cut.kept.counts.items > 0)).to_list()
    told = [cut.removed, cut.split, moments, ids, written.item_counts.tolist()]
    return [*told, cut.kept.counts.events, cut.kept.counts.users, read(folder)]


def read(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.parquet*") if "items" not in path.name}


@sampled("small_groups", [False, True], quick=[True])
@given(log=coded(), options=OPTIONS, most=st.integers(1, 12))
def test_parts_make_what_the_whole_makes(small_groups, log, options, most):
    settings = settle(options, None, Filters())
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        if small_groups:
            patch.setattr(dataset_files, "MAX_ROW_GROUP_USERS", 2)
            patch.setattr(dataset_files, "_MAX_ROW_GROUP_EVENTS", 5)
            patch.setattr("adrec_cli.data.pending.ROW_GROUP", 3)
            patch.setattr(spread_files, "ROW_GROUP", 3)
        folders = [Path(name) / "here", Path(name) / "parts"]
        for folder in folders:
            folder.mkdir()
        here = try_run(lambda: make_here(log, settings, folders[0]))
        parts = try_run(lambda: make_in_parts(log, settings, folders[1], most))
        assert parts == here


@pytest.mark.parametrize(
    ("ids", "options", "can"),
    [
        (["a", "1"], {}, False),
        (["2", "1"], {}, True),
        (["a", "1"], {"ties": "source"}, True),
        (["a", "1"], {"max_length": 0}, True),
        (["a", "1"], {"min_user_interactions": 2}, True),
        (["a", "1"], {"min_item_interactions": 2}, True),
        (["a", "1"], {"min_user_interactions": 1, "min_item_interactions": 1}, False),
        (["2", "1"], {"split": "cold-items"}, False),
    ],
)
def test_what_needs_a_witness_of_all_items_is_cut_whole(ids, options, can):
    """Where ties go by item and nothing is counted, one interaction may have to say that not all ids are numbers."""
    settings = settle(PreprocessOptions(**{"ties": "item", "max_length": 3, **options}), None, Filters())
    assert can_be_spread(settings, pl.Series(ids)) == can


def test_the_property_makes_files():
    log = Interactions(
        user=np.repeat(np.arange(4, dtype=np.int32), 5), item=np.tile(np.arange(5, dtype=np.int32), 4),
        time=np.arange(20) * DAY, part=None, user_ids=pl.Series(list("abcd")), item_ids=pl.Series(list("01234")),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        *_, files = make_in_parts(log, settle(PreprocessOptions(max_length=3), None, Filters()), Path(name), 5)
    assert len(files) == 2
    assert all(files.values())


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_edges_leave_nobody_out(counts, most):
    edges = choose_edges(np.array(counts, dtype=np.int64), most).tolist()
    assert edges[0] == 0
    assert edges[-1] == len(counts)
    for first, after in itertools.pairwise(edges):
        assert after > first
        assert after == first + 1 or sum(counts[first:after]) <= most


def test_an_empty_log_is_one_part_and_says_what_the_whole_says():
    nothing = np.zeros(0, dtype=np.int32)
    log = Interactions(
        user=nothing, item=nothing, time=nothing.astype(np.int64), part=None,
        user_ids=pl.Series([], dtype=pl.String), item_ids=pl.Series([], dtype=pl.String),
    )  # fmt: skip
    settings = settle(PreprocessOptions(min_rating=3), None, Filters())
    removed = [FilterApplied(name="min_rating", interactions=7)]
    parts = try_run(lambda: cut_parts(spread(log, 5), settings, removed, given=False))
    assert parts == try_run(lambda: make_cut(log, settings, removed))
    assert "nothing is left of 7" in parts[1]


def test_an_error_is_that_of_the_whole():
    log = Interactions(
        user=np.zeros(1, dtype=np.int32), item=np.zeros(1, dtype=np.int32), time=np.zeros(1, dtype=np.int64), part=None,
        user_ids=pl.Series(["u"]), item_ids=pl.Series(["i"]),
    )  # fmt: skip
    settings = settle(PreprocessOptions(min_interactions=5), None, Filters())
    with pytest.raises(AdrecError, match="nothing is left of 1 interaction"):
        cut_parts(spread(log, 1), settings, [], given=False)
