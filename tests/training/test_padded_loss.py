"""The cross-entropy that leaves padding out, against the plain formula over the other tokens."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.training import padded_loss
from adrec_cli.training.padded_loss import padded_cross_entropy
from tests.examples import tries


@settings(max_examples=tries(60), deadline=None)
@given(
    targets=st.lists(st.integers(0, 5), min_size=1, max_size=40).filter(any),
    items=st.integers(5, 30),
    rows=st.integers(1, 50),
    spread=st.sampled_from([0.1, 3.0, 300.0]),
    frozen=st.booleans(),
    slots=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_it_is_the_mean_over_the_tokens_that_are_no_padding(targets, items, rows, spread, frozen, slots, seed):
    generator, targets = torch.Generator().manual_seed(seed), torch.tensor(targets)
    predicted = torch.randn(len(targets), 4, generator=generator, dtype=torch.float64).mul(spread).requires_grad_()
    vectors = torch.randn(items + 1, 4, generator=generator, dtype=torch.float64).requires_grad_(not frozen)
    real = targets > 0
    # Each item once a row; slots that hold none have item 0.
    drawn = torch.rand(len(targets), items, generator=generator).argsort(dim=1)[:, :slots] + 1
    drawn = drawn.where(torch.rand(drawn.shape, generator=generator) < 0.7, 0)
    values = torch.randn(drawn.shape, generator=generator, dtype=torch.float64).where(drawn > 0, 0.0).requires_grad_()
    bias = HistoryBias(items_NS=drawn, values_NS=values) if slots else None
    added = torch.zeros(len(targets), items + 1, dtype=torch.float64).scatter_add(1, drawn, values)
    expected = F.cross_entropy((predicted @ vectors.T + added)[real, 1:], targets[real] - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(padded_loss, "_ENTRIES", 0)
        patch.setattr(padded_loss, "_FEWEST_ROWS", rows)
        found = padded_cross_entropy(predicted, vectors, targets, bias)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    wanted = [predicted, *([] if frozen else [vectors]), *([values] if slots else [])]
    gradients = torch.autograd.grad(3 * found, wanted)
    for gradient, exact in zip(gradients, torch.autograd.grad(3 * expected, wanted), strict=True):
        torch.testing.assert_close(gradient, exact, rtol=1e-9, atol=1e-9)
    assert not gradients[0][~real].any()
