"""A padded batch says of its tokens what the packed one does, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.batches import TrainingWindows, pack_batch, training_windows
from adrec_cli.models.padded_batch import PaddedBatch, planes_of
from tests.batches import epoch_batches
from tests.examples import tries
from tests.ranking.test_fast_path import of_lengths


@settings(max_examples=tries(30), deadline=None)
@given(st.lists(st.integers(2, 12), min_size=1, max_size=30), st.integers(3, 9), st.integers(0, 5))
def test_tokens_keep_their_weights_lengths_and_order(lengths, max_length, more):
    windows = training_windows(of_lengths(lengths), max_length)
    (batch,) = epoch_batches(windows, batch_size=99, max_length=max_length, generator=torch.Generator().manual_seed(0))
    planes = planes_of(batch, max_length + more)
    assert planes.shape[1] % 8 == 0
    padded = PaddedBatch.of_planes(planes, sequences=batch.sequences, prefixes=batch.prefixes)
    real = padded.real_RL.flatten()
    assert int(real.sum()) == batch.targets
    torch.testing.assert_close(padded.sequence_weights_N()[real], batch.sequence_weights_N())
    assert padded.sequence_weights_N()[~real].count_nonzero() == 0
    for name in ("lengths_RL", "remaining_RL"):
        assert torch.equal(getattr(padded, name)()[padded.real_RL], getattr(batch, name)()[batch.real_RL])
    assert torch.equal(padded.of_tokens(padded.targets_RL)[real], batch.of_tokens(batch.targets_RL))
    for one in (padded, padded.prepend_padding()):
        for items_RL, order_N in ((one.inputs_RL, one.input_order_N), (one.targets_RL, one.target_order_N)):
            assert bool((items_RL.flatten()[order_N].diff() >= 0).all())
            assert torch.equal(order_N.sort().values, torch.arange(items_RL.numel()))


@pytest.mark.parametrize("largest", [9, 259, 2**16 - 1, 2**16, 2**16 + 1, 2**17, 2**31 - 1])
def test_items_of_any_number_stand_in_their_order(largest):
    """Those of more than 16 bits are not sorted by their last 16."""
    data = TrainingWindows(
        items=np.array([largest, 1, 3, largest - 1, 2, 5, largest, 4], np.int32), starts=np.array([0, 4]),
        lengths=np.array([3, 3]), prefixes=False, seconds=None,
    )  # fmt: skip
    planes = planes_of(pack_batch(data, np.array([0, 1]), 6), 6)
    padded = PaddedBatch.of_planes(planes, sequences=2, prefixes=False)
    for items_RL, order_N in ((padded.inputs_RL, padded.input_order_N), (padded.targets_RL, padded.target_order_N)):
        assert torch.equal(order_N, items_RL.flatten().argsort(stable=True))


def test_padding_sees_padding_only_and_never_nothing():
    windows = training_windows(of_lengths([4, 6]), 5)
    (batch,) = epoch_batches(windows, batch_size=9, max_length=5, generator=torch.Generator().manual_seed(0))
    padded = PaddedBatch.of_planes(planes_of(batch, 8), sequences=batch.sequences, prefixes=batch.prefixes)
    assert bool((padded.segments_RL[~padded.real_RL] == 0).all())
    assert bool((padded.lengths_RL() >= 1).all())
    assert padded.sequence_weights_N().sum().item() == pytest.approx(1)
