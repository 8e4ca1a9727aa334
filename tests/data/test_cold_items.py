"""Items held out whole: against a plain reading of the rule, and never in train."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.cold_items import _parts, hold_out_items
from adrec_cli.data.interactions import Interactions
from adrec_cli.errors import InputError
from tests.examples import tries

IDS = pl.Series([f"i{n:03}" for n in range(60)])
PARTS = _parts(IDS)
histories = st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=9), min_size=1, max_size=12)


def of(lists: list[list[int]]) -> Interactions:
    items = np.array([item for events in lists for item in events], dtype=np.int32)
    users = np.repeat(np.arange(len(lists)), [len(events) for events in lists]).astype(np.int32)
    names = pl.Series([f"u{n}" for n in range(len(lists))])
    return Interactions(
        user=users, item=items, time=np.arange(len(items)), part=None, user_ids=names, item_ids=IDS
    )  # fmt: skip


def plain(events: list[int]) -> tuple[list[int], int, int]:
    """What is left of a user's events, and where train and validation end."""
    held = [place for place, item in enumerate(events) if PARTS[item]]
    warm = [item for item in events if not PARTS[item]]
    if not held or not any(not PARTS[item] for item in events[: held[-1]]):
        return warm, len(warm), len(warm)
    before = [item for item in events[: held[-1]] if not PARTS[item]]
    target = events[held[-1]]
    return [*before, target], len(before), len(before) + int(PARTS[target] == 1)


@settings(max_examples=tries(200), deadline=None)
@given(histories)
def test_it_is_what_the_rule_says(lists: list[list[int]]) -> None:
    expected = [(events, *ends) for events, *ends in map(plain, lists) if events]
    try:
        left, bounds, gone = hold_out_items(of(lists))
    except InputError:
        of_parts = {int(PARTS[events[-1]]) for events, train, _ in expected if train < len(events)}
        assert of_parts != {1, 2}
        return
    ids = left.item_ids.to_list()
    starts = np.cumsum([0, *bounds.length[:-1]])
    found = [
        ([int(ids[code][1:]) for code in left.item[start : start + length]], int(train), int(valid))
        for start, length, train, valid in zip(starts, bounds.length, bounds.train_end, bounds.valid_end, strict=True)
    ]
    assert found == expected
    assert gone.interactions == sum(map(len, lists)) - len(left)
    trained = {item for events, train, _ in found for item in events[:train]}
    assert all(PARTS[item] == 0 for item in trained)


def test_a_tenth_is_held_out_whoever_else_is_there() -> None:
    many = pl.Series([f"x{n}" for n in range(20_000)])
    parts = _parts(many)
    assert [round(float((parts == one).mean()), 2) for one in (1, 2)] == [0.05, 0.05]
    assert np.array_equal(_parts(many[:50]), parts[:50])


def test_nothing_to_hold_out_is_said() -> None:
    warm = [n for n in range(60) if not PARTS[n]][:5]
    with pytest.raises(InputError, match="no user has a validation target"):
        hold_out_items(of([warm]))
