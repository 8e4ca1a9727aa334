"""Order, duplicates, k-core and longest history on interactions small enough to do by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data import filters
from adrec_cli.data.filters import drop_duplicates, k_core, keep_newest, sort_in_time
from adrec_cli.data.interactions import Interactions
from tests.examples import tries

Event = tuple[int, int, int]


def coded(events: list[Event]) -> Interactions:
    users, items, times = ([event[i] for event in events] for i in range(3))
    return Interactions(
        user=np.array(users, dtype=np.int32),
        item=np.array(items, dtype=np.int32),
        time=np.array(times, dtype=np.int64),
        part=None,
        user_ids=pl.Series([f"u{i}" for i in range(max(users, default=0) + 1)]),
        item_ids=pl.Series([f"i{i}" for i in range(max(items, default=0) + 1)]),
    )


def events_of(interactions: Interactions) -> list[Event]:
    return list(zip(interactions.user.tolist(), interactions.item.tolist(), interactions.time.tolist(), strict=True))


def plain_k_core(events: list[Event], min_user: int, min_item: int) -> list[Event]:
    """The definition, one removal at a time."""
    while True:
        users, items = Counter(e[0] for e in events), Counter(e[1] for e in events)
        bad = next((e for e in events if users[e[0]] < min_user or items[e[1]] < min_item), None)
        if bad is None:
            return events
        position = 0 if users[bad[0]] < min_user else 1
        events = [e for e in events if e[position] != bad[position]]


EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5)), max_size=60)


def test_equal_times_keep_the_order_of_the_source() -> None:
    source = [(0, 5, 10), (0, 2, 10), (0, 9, 5), (0, 1, 10)]
    assert events_of(sort_in_time(coded(source), "source")) == [(0, 9, 5), (0, 5, 10), (0, 2, 10), (0, 1, 10)]


def test_equal_times_by_item_are_ascending() -> None:
    source = [(0, 5, 10), (0, 2, 10), (0, 9, 5), (0, 1, 10)]
    assert events_of(sort_in_time(coded(source), "item")) == [(0, 9, 5), (0, 1, 10), (0, 2, 10), (0, 5, 10)]


@given(EVENTS.filter(bool))
@settings(max_examples=tries(60), deadline=None)
def test_sorting_by_source_is_a_stable_sort(events: list[Event]) -> None:
    assert events_of(sort_in_time(coded(events), "source")) == sorted(events, key=lambda e: (e[0], e[2]))


@given(EVENTS.filter(bool))
@settings(max_examples=tries(60), deadline=None)
def test_sorting_by_item_does_not_depend_on_the_source(events: list[Event]) -> None:
    shuffled = [events[i] for i in np.random.default_rng(1).permutation(len(events))]
    assert events_of(sort_in_time(coded(events), "item")) == events_of(sort_in_time(coded(shuffled), "item"))


FAR = st.sampled_from([0, 1, 10**6, 10**6 + 1, -(2**62), 2**62 - 1, 1_700_000_000 * 10**6])
"""Times so far apart that, with users and items, they do not fit into one 64-bit number."""


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), FAR, st.integers(0, 2)), min_size=1, max_size=40),
    st.booleans(),
    st.sampled_from(["source", "item"]),
)
@settings(max_examples=tries(120), deadline=None)
def test_sorting_is_the_same_whether_or_not_one_key_holds_everything(events, parted: bool, ties) -> None:
    """Any times, any ties, split sources or not: against sorting tuples."""
    interactions = coded([event[:3] for event in events])
    parts = np.array([event[3] for event in events], dtype=np.int8)
    found = sort_in_time(replace(interactions, part=parts if parted else None), ties)
    order = sorted(
        range(len(events)),
        key=lambda i: (
            events[i][0], events[i][3] if parted else 0, events[i][2], events[i][1] if ties == "item" else 0,
        ),
    )  # fmt: skip
    assert events_of(found) == [events[i][:3] for i in order]
    assert found.part is None if not parted else found.part.tolist() == [events[i][3] for i in order]


@pytest.mark.parametrize("at", [0, 2, 3, 5, 6])
def test_one_fraction_of_a_second_anywhere_is_kept_in_the_order(at: int, monkeypatch) -> None:
    """Times are looked through in pieces; a fraction in the last of them counts as one in the first."""
    monkeypatch.setattr(filters, "_CHUNK", 3)
    times = [5_000_000] * 8
    times[at] += 1
    events = [(0, item, time) for item, time in enumerate(times)]
    assert events_of(sort_in_time(coded(events), "source"))[-1] == events[at]


def test_only_the_first_of_equal_events_stays() -> None:
    source = sort_in_time(coded([(0, 1, 10), (0, 2, 10), (0, 1, 10), (0, 1, 11), (1, 1, 10)]), "source")
    kept, removed = drop_duplicates(source)
    assert events_of(kept) == [(0, 1, 10), (0, 2, 10), (0, 1, 11), (1, 1, 10)]
    assert removed.interactions == 1


@given(EVENTS.filter(bool))
@settings(max_examples=tries(60), deadline=None)
def test_dropping_duplicates_keeps_first_occurrences(events: list[Event]) -> None:
    kept, removed = drop_duplicates(sort_in_time(coded(events), "source"))
    expected = list(dict.fromkeys(sorted(events, key=lambda e: (e[0], e[2]))))
    assert events_of(kept) == expected
    assert removed.interactions == len(events) - len(expected)


@given(EVENTS.filter(bool), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=tries(80), deadline=None)
def test_k_core_is_the_one_of_the_definition(events: list[Event], min_user: int, min_item: int) -> None:
    kept, removed = k_core(coded(events), min_user=min_user, min_item=min_item)
    expected = plain_k_core(events, min_user, min_item)
    assert events_of(kept) == expected
    assert removed.interactions == len(events) - len(expected)
    assert removed.users == len({e[0] for e in events}) - len({e[0] for e in expected})
    assert removed.items == len({e[1] for e in events}) - len({e[1] for e in expected})


def test_k_core_runs_until_nothing_changes() -> None:
    # Item 2 has one event; without it user 1 has one; without user 1 item 1 has one; and so on.
    chain = [(0, 0, 0), (0, 1, 1), (1, 1, 0), (1, 2, 1)]
    kept, removed = k_core(coded(chain), min_user=2, min_item=2)
    assert len(kept) == 0
    assert removed.rounds > 1


@pytest.mark.parametrize(("most", "expected"), [(1, [3]), (2, [2, 3]), (3, [1, 2, 3]), (9, [0, 1, 2, 3])])
def test_the_newest_are_kept(most: int, expected: list[int]) -> None:
    kept, removed = keep_newest(coded([(0, i, i) for i in range(4)]), most)
    assert [item for _, item, _ in events_of(kept)] == expected
    assert removed.interactions == 4 - len(expected)
