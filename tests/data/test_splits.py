"""Where training and validation end."""

from __future__ import annotations

import pytest

from adrec_cli.data.filters import sort_in_time
from adrec_cli.data.splits import leave_one_out, split_as_given, split_by_time, train_mask
from tests.data.test_filters import coded


@pytest.mark.parametrize(
    ("events", "train_end", "valid_end"), [(1, 1, 1), (2, 2, 2), (3, 1, 2), (4, 2, 3), (50, 48, 49)]
)
def test_leave_one_out_holds_out_the_last_two_of_three_or_more(events: int, train_end: int, valid_end: int) -> None:
    bounds = leave_one_out(coded([(0, i, i) for i in range(events)]))
    assert (bounds.train_end[0], bounds.valid_end[0]) == (train_end, valid_end)


def test_a_time_split_cuts_every_user_at_the_same_moments() -> None:
    interactions = coded([(0, 1, 5), (0, 2, 10), (0, 3, 20), (1, 1, 1), (1, 2, 2), (2, 3, 30)])
    bounds = split_by_time(interactions, valid_from=10, test_from=20)
    assert bounds.train_end.tolist() == [1, 2, 0]
    assert bounds.valid_end.tolist() == [2, 2, 0]
    assert train_mask(interactions, bounds).tolist() == [True, False, False, True, True, False]


def test_given_parts_come_before_times() -> None:
    import numpy as np

    from adrec_cli.data.interactions import Interactions

    interactions = coded([(0, 1, 9), (0, 2, 1), (0, 3, 1)])
    with_parts = Interactions(
        **{**vars(interactions), "part": np.array([0, 2, 1], dtype=np.int8)},
    )
    ordered = sort_in_time(with_parts, "source")
    bounds = split_as_given(ordered)
    assert ordered.item.tolist() == [1, 3, 2]
    assert (bounds.train_end.tolist(), bounds.valid_end.tolist()) == ([1], [2])
