"""What is said of times that tell a model less than they seem to."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from adrec_cli.errors import InputError
from adrec_cli.experiments.inexact_times import describe_doubts
from tests.training.test_loop import sequences

DAY = 86_400


def doubts(seconds: np.ndarray) -> str:
    data = dataclasses.replace(sequences(), read_seconds=lambda: seconds)
    assert len(seconds) == len(data.items)
    return describe_doubts(data)


@pytest.fixture
def exact() -> np.ndarray:
    """Gaps of 1 second to 3 days, also from the last event of a user to the first of the next."""
    return np.random.default_rng(1).integers(1, 3 * DAY, len(sequences().items)).cumsum()


def test_nothing_is_said_of_exact_times(exact):
    assert doubts(exact) == ""


def test_days_are_told_in_any_zone(exact):
    for zone in (0, 3_600, 5 * 3_600):
        days = np.sort(exact // DAY * DAY) + zone
        assert "whole days" in doubts(days)
        assert "whole days" in doubts(days + np.where(np.arange(len(days)) % 2, 3_600, 0))
    assert "whole days" not in doubts(exact // 3_600 * 3_600)
    # Three times of day, such as of three deliveries, do tell something.
    assert "whole days" not in doubts(np.sort(exact // DAY * DAY) + np.arange(len(exact)) % 3 * 3_600)


def test_the_share_at_the_same_second_counts_neighbours_of_one_user(exact):
    starts = sequences().offsets
    same = exact.copy()
    for first, end in itertools.pairwise(starts):
        same[first:end] = same[first]
    assert "100% of events are at the same second" in doubts(same)
    backwards = exact[::-1].copy()
    assert "100.0% of events are earlier" in doubts(backwards)
    few = exact.copy()
    few[starts[3] + 1] = few[starts[3]]
    assert doubts(few) == ""


@pytest.mark.parametrize(("share", "said"), [(0.04, ""), (0.06, "6% of events are at the same second")])
def test_a_few_at_the_same_second_are_not_worth_a_word(exact, share, said):
    starts = sequences().offsets[:-1]
    gaps = np.diff(exact, prepend=0)
    follows = np.setdiff1d(np.arange(len(exact)), starts)
    gaps[follows[: round(share * len(follows))]] = 0
    told = doubts(gaps.cumsum())
    assert told.startswith(said)
    assert bool(told) == bool(said)


def test_data_without_times_have_no_gaps():
    with pytest.raises(InputError, match="do not say when events were"):
        describe_doubts(dataclasses.replace(sequences(), read_seconds=None))
