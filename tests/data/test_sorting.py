"""Orders of rows by several keys are what a plain stable sort gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.sorting import stable_order
from tests.examples import tries

NARROW = st.integers(-3, 3)
WIDE = st.sampled_from([-(2**62), -1, 0, 1, 2**40, 2**62])
ROWS = st.one_of(
    st.lists(st.tuples(NARROW, NARROW), min_size=1, max_size=40),
    st.lists(st.tuples(NARROW, WIDE), min_size=1, max_size=40),
    st.lists(st.tuples(WIDE, WIDE, NARROW), min_size=1, max_size=40),
    st.lists(st.tuples(NARROW, st.just(7)), min_size=1, max_size=40),
)


def order_of(rows: list[tuple[int, ...]]) -> list[int]:
    order = stable_order([np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)])
    return list(range(len(rows))) if order is None else order.tolist()


@given(ROWS)
@settings(max_examples=tries(150), deadline=None)
def test_the_order_is_that_of_a_stable_sort(rows: list[tuple[int, ...]]) -> None:
    assert order_of(rows) == sorted(range(len(rows)), key=rows.__getitem__)


@given(ROWS)
@settings(max_examples=tries(80), deadline=None)
def test_a_log_written_as_time_goes_on_is_sorted_by_its_users_alone(rows: list[tuple[int, ...]]) -> None:
    log = [(row[0], position) for position, row in enumerate(rows)]
    assert order_of(log) == sorted(range(len(log)), key=log.__getitem__)


@pytest.mark.parametrize("bits", [30, 47, 57, 58, 59, 62, 63])
def test_keys_of_any_width_sort_rightly(bits: int) -> None:
    # Places of a hundred rows take seven bits: below 58 they fit behind a key, above they do not.
    keys = np.random.default_rng(bits).integers(0, 2**bits, 100, dtype=np.int64) // 3 * 3
    keys[:4] = [2**bits - 1, 0, 2**bits - 1, 0]
    assert order_of([(int(key),) for key in keys]) == sorted(range(100), key=keys.tolist().__getitem__)


def test_rows_in_order_are_known_to_be() -> None:
    assert stable_order([np.array([0, 0, 1]), np.array([1, 5, 2])]) is None
    assert stable_order([np.array([0, 0, 1]), np.array([5, 1, 2])]) is not None
    assert stable_order([np.zeros(0, dtype=np.int64)]) is None
