"""Losses and their gradients against the plain formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from adrec_cli.training import losses
from adrec_cli.training.losses import catalogue_cross_entropy, denoising_errors


@settings(max_examples=25, deadline=None)
@given(tokens=st.integers(1, 70), items=st.integers(1, 50), chunk=st.integers(1, 2000), seed=st.integers(0, 99))
def test_catalogue_cross_entropy_equals_the_naive_one(tokens, items, chunk, seed):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(tokens, 8, generator=generator, dtype=torch.float64).mul(3).requires_grad_()
    vectors = torch.randn(items, 8, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(items, (tokens,), generator=generator)
    expected = F.cross_entropy(predicted @ vectors.T, targets)
    expected_gradients = torch.autograd.grad(3 * expected, (predicted, vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "_CHUNK_ENTRIES", chunk)
        found = catalogue_cross_entropy(predicted, vectors, targets)
        gradients = torch.autograd.grad(3 * found, (predicted, vectors))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


def test_frozen_vectors_get_no_gradient_and_large_logits_do_not_overflow():
    predicted = torch.full((3, 4), 200.0, requires_grad=True)
    vectors = torch.eye(4) * 50
    loss = catalogue_cross_entropy(predicted, vectors, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss.item() == pytest.approx(1.386294, abs=1e-4)
    assert torch.isfinite(predicted.grad).all()


def test_recorded_losses(golden):
    recorded = load_file(golden / "adrec.safetensors")
    predicted = recorded["x_start_pred"]
    vectors = recorded["state.item_embedding.weight"]
    targets = recorded["targets"]
    ce = catalogue_cross_entropy(predicted.flatten(0, 1), vectors, targets.flatten())
    torch.testing.assert_close(ce, recorded["ce_loss"][0], atol=1e-5, rtol=1e-5)
    weights = torch.full((48,), 1 / 48)
    mse = denoising_errors(predicted.flatten(0, 1), vectors[targets].flatten(0, 1)) @ weights
    torch.testing.assert_close(mse, recorded["mse_loss"][0], atol=1e-5, rtol=1e-5)


def test_mse_averages_positions_before_sequences():
    predicted = torch.zeros(4, 2)
    truth = torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    weights = torch.tensor([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert (denoising_errors(predicted, truth) @ weights).item() == pytest.approx((2 + 1) / 2)
