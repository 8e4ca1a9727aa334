"""Packing and batches: every pair of input and target once, nothing invented, little padding."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import history_batches, training_windows
from adrec_cli.data.packing import pack
from adrec_cli.data.sequences import Sequences
from tests.batches import epoch_batches
from tests.examples import tries
from tests.reference import packing as reference


def made(lengths: list[int]) -> Sequences:
    """Sequences whose items are numbered through, so that every event differs from every other."""
    array = np.array(lengths, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(array)])
    return Sequences(
        user_ids=pl.Series([str(u) for u in range(len(lengths))]),
        items=np.arange(1, offsets[-1] + 1, dtype=np.int32),
        offsets=offsets,
        train_end=array,
        valid_end=array,
        item_count=int(offsets[-1]),
    )


@given(st.lists(st.integers(1, 20), min_size=1, max_size=200), st.integers(20, 40))
def test_packed_sequences_neither_overlap_nor_leave_their_row(lengths, row_length):
    rows, starts = pack(np.array(lengths), row_length)
    taken = np.zeros((rows.max() + 1, row_length), dtype=int)
    for row, start, length in zip(rows, starts, lengths, strict=True):
        assert start + length <= row_length
        taken[row, start : start + length] += 1
    assert taken.max() == 1
    assert (taken.sum(axis=1) > 0).all()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=100), st.integers(20, 30))
def test_each_sequence_goes_into_the_fullest_row_that_takes_it(lengths, row_length):
    """Against best-fit decreasing written plainly: the same rows are as full, whichever of equal ones was taken."""
    free: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [left for left in free if left >= length]
        if fitting:
            free.remove(min(fitting))
        free.append((min(fitting) if fitting else row_length) - length)
    rows, _ = pack(np.array(lengths), row_length)
    filled = np.bincount(rows, weights=lengths).astype(int)
    assert sorted(filled) == sorted(row_length - left for left in free)


@given(st.data(), st.integers(1, 60))
def test_packing_many_at_once_is_packing_one_after_the_other(data, row_length):
    lengths = np.array(data.draw(st.lists(st.integers(1, row_length), min_size=1, max_size=300)), dtype=np.int64)
    for found, expected in zip(pack(lengths, row_length), reference.pack(lengths, row_length), strict=True):
        assert found.tolist() == expected.tolist()


def test_packing_short_sequences_leaves_little_padding():
    lengths = np.random.default_rng(0).integers(1, 12, size=512)
    rows, _ = pack(lengths, 50)
    assert lengths.sum() / ((rows.max() + 1) * 50) > 0.97


@settings(max_examples=tries(30))
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 9), st.integers(1, 8))
def test_an_epoch_with_all_events_learns_each_pair_once(lengths, max_length, batch_size):
    sequences = made(lengths)
    windows = training_windows(sequences, max_length, all_events=True)
    pairs = []
    if len(windows):
        batches = epoch_batches(
            windows, batch_size=batch_size, max_length=max_length, generator=torch.Generator().manual_seed(0)
        )
        for batch in batches:
            real = batch.real_RL
            pairs += list(zip(batch.inputs_RL[real].tolist(), batch.targets_RL[real].tolist(), strict=True))
            assert batch.inputs_RL.shape[1] <= max_length
            assert abs(batch.sequence_weights_N().sum().item() - 1) < 1e-5
    starts = sequences.offsets[:-1]
    expected = [
        (int(start) + i, int(start) + i + 1)
        for start, length in zip(starts, lengths, strict=True)
        for i in range(1, length)
    ]
    assert sorted(pairs) == expected


def test_the_newest_window_takes_the_last_events():
    windows = training_windows(made([10]), 3)
    assert windows.starts.tolist() == [6]
    assert windows.lengths.tolist() == [3]


def test_sequence_weights_average_positions_first():
    windows = training_windows(made([4, 2]), 5)
    (batch,) = epoch_batches(windows, batch_size=2, max_length=5, generator=torch.Generator().manual_seed(0))
    by_length = dict.fromkeys([1, 3], 0.0)
    segments = batch.segments_RL[batch.real_RL]
    for segment, weight in zip(segments.tolist(), batch.sequence_weights_N().tolist(), strict=True):
        by_length[int((segments == segment).sum())] += weight
    assert by_length == pytest.approx({1: 0.5, 3: 0.5})


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.integers(1, 50),
    st.integers(1, 500),
    st.none() | st.integers(1, 20),
)
def test_histories_come_back_once_each_and_whole(lengths, max_length, batch_tokens, most_cases):
    sequences = made(lengths)
    seen = {}
    batches = history_batches(
        sequences.items, sequences.offsets[:-1], sequences.offsets[1:],
        max_length=max_length, batch_tokens=batch_tokens, most_cases=most_cases,
    )  # fmt: skip
    for cases, batch in batches:
        assert len(cases) <= (most_cases or len(lengths))
        assert len(cases) == 1 or batch.items_BL.numel() <= batch_tokens
        for case, row, length in zip(cases, batch.items_BL, batch.lengths_B, strict=True):
            seen[int(case)] = row[:length].tolist()
            assert (row[length:] == 0).all()
    assert seen == {u: sequences.history(u)[-max_length:].tolist() for u in range(len(lengths))}
