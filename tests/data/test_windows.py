"""Training windows: which events are inputs, which are targets, and how often."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from adrec_cli.data import batches
from adrec_cli.data.batches import TrainingWindows, prefix_windows, training_windows
from adrec_cli.data.sequences import Sequences

LENGTHS = [1, 2, 3, 9, 5]


def sequences() -> Sequences:
    """Five users whose events are numbered through; the last two of each user with more than two are held out."""
    lengths = np.array(LENGTHS)
    held_out = np.where(lengths > 2, 2, 0)
    return Sequences(
        user_ids=pl.Series([str(user) for user in range(len(lengths))]),
        items=np.arange(1, lengths.sum() + 1, dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=lengths - held_out,
        valid_end=lengths - held_out // 2,
        item_count=int(lengths.sum()),
    )


def pairs(windows: TrainingWindows) -> list[tuple[list[int], int]]:
    """The inputs and the last target of each window."""
    return [
        (windows.items[start : start + length].tolist(), int(windows.items[start + length]))
        for start, length in zip(windows.starts, windows.lengths, strict=True)
    ]


@pytest.mark.parametrize("max_length", [1, 3, 20])
def test_every_event_after_the_first_is_the_target_of_the_events_before_it(max_length):
    data = sequences()
    expected = []
    for user in range(data.users):
        history = data.history(user)[: data.train_end[user]].tolist()
        expected += [(history[:at][-max_length:], history[at]) for at in range(1, len(history))]
    assert pairs(prefix_windows(data, max_length, all_events=True)) == expected


@pytest.mark.parametrize("max_length", [1, 3, 20])
def test_only_the_newest_prefixes_use_the_events_that_the_newest_window_uses(max_length):
    data = sequences()
    expected = []
    for user in range(data.users):
        history = data.history(user)[: data.train_end[user]].tolist()[-max_length - 1 :]
        expected += [(history[:at], history[at]) for at in range(1, len(history))]
    assert pairs(prefix_windows(data, max_length)) == expected


@pytest.mark.parametrize("at_once", [1, 4, 2**22])
@pytest.mark.parametrize("all_events", [True, False])
def test_targets_are_counted_once_for_each_window_that_has_them(all_events, at_once, monkeypatch):
    monkeypatch.setattr(batches, "_EVENTS_AT_ONCE", at_once)
    data = sequences()
    windows = training_windows(data, 3, all_events=all_events)
    prefixes = prefix_windows(data, 3, all_events=all_events)
    targets = [target for _, target in pairs(prefixes)]
    counted = np.bincount(targets, minlength=data.item_count + 1).tolist()
    assert prefixes.target_counts(data.item_count).tolist() == counted
    expected = np.zeros(data.item_count + 1, dtype=np.int64)
    for start, length in zip(windows.starts, windows.lengths, strict=True):
        np.add.at(expected, windows.items[start + 1 : start + length + 1], 1)
    assert windows.target_counts(data.item_count).tolist() == expected.tolist()
    # Not one held-out event counts.
    assert expected.sum() == windows.tokens
    assert expected[data.items[data.offsets[1:] - 1][np.array(LENGTHS) > 2]].sum() == 0


@pytest.mark.parametrize("at_once", [1, 2, 2**18])
def test_trained_items_are_those_of_events_before_validation(at_once, monkeypatch):
    monkeypatch.setattr(batches, "_USERS_AT_ONCE", at_once)
    data = sequences()
    expected = {item for user in range(data.users) for item in data.history(user)[: data.train_end[user]].tolist()}
    assert batches.find_trained_items(data).nonzero().flatten().tolist() == sorted(expected)
