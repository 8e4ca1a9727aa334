"""Losses and their gradients against the plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.training import losses
from adrec_cli.training.losses import catalogue_cross_entropy, denoising_errors
from tests.examples import tries


@settings(max_examples=tries(60), deadline=None)
@given(
    tokens=st.integers(1, 70),
    items=st.integers(1, 50),
    width=st.sampled_from([1, 3, 8]),
    tile=st.integers(1, 2000),
    fewest_rows=st.integers(1, 100),
    tile_items=st.integers(1, 20),
    spread=st.sampled_from([0.1, 3.0, 100.0]),
    first=st.integers(0, 1),
    weight=st.sampled_from([0.5, 1, 2, 3]),
    seed=st.integers(0, 99),
)
def test_catalogue_cross_entropy_equals_the_naive_one(
    tokens, items, width, tile, fewest_rows, tile_items, spread, first, weight, seed
):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(tokens, width, generator=generator, dtype=torch.float64).mul(spread).requires_grad_()
    vectors = torch.randn(items + first, width, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(items, (tokens,), generator=generator)
    expected = F.cross_entropy(predicted @ vectors[first:].T, targets)
    expected_gradients = torch.autograd.grad(weight * expected, (predicted, vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "_ON_CPU", losses._Limits(tile, tile_items))
        patch.setattr(losses, "_FEWEST_ROWS", fewest_rows)
        found = catalogue_cross_entropy(predicted, vectors, targets + first, first=first)
        gradients = torch.autograd.grad(weight * found, (predicted, vectors))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


@settings(max_examples=tries(60), deadline=None)
@given(
    tokens=st.integers(1, 40),
    items=st.integers(1, 30),
    slots=st.integers(1, 6),
    tile=st.integers(1, 500),
    fewest_rows=st.integers(1, 50),
    tile_items=st.integers(1, 10),
    spread=st.sampled_from([0.1, 3.0, 100.0]),
    first=st.integers(0, 1),
    weight=st.sampled_from([0.5, 1, 2, 3]),
    seed=st.integers(0, 99),
)
def test_a_bias_of_items_of_the_history_is_as_if_it_stood_in_the_logits(
    tokens, items, slots, tile, fewest_rows, tile_items, spread, first, weight, seed
):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(tokens, 3, generator=generator, dtype=torch.float64).mul(spread).requires_grad_()
    vectors = torch.randn(items + first, 3, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(items, (tokens,), generator=generator)
    # Each item once a row, and slots that hold none, which only a catalogue with padding has.
    drawn = torch.rand(tokens, items, generator=generator).argsort(dim=1)[:, :slots] + first
    drawn = drawn.where((torch.rand(drawn.shape, generator=generator) < 0.7) | (first == 0), 0)
    values = torch.randn(drawn.shape, generator=generator, dtype=torch.float64).mul(5)
    values = values.where((drawn > 0) | (first == 0), 0.0).requires_grad_()
    added = torch.zeros(tokens, items + first, dtype=torch.float64).scatter_add(1, drawn, values)
    expected = F.cross_entropy((predicted @ vectors.T + added)[:, first:], targets)
    inputs = (predicted, vectors, values)
    expected_gradients = torch.autograd.grad(weight * expected, inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "_ON_CPU", losses._Limits(tile, tile_items))
        patch.setattr(losses, "_FEWEST_ROWS", fewest_rows)
        bias = HistoryBias(items_NS=drawn, values_NS=values)
        found = catalogue_cross_entropy(predicted, vectors, targets + first, first=first, bias=bias)
        gradients = torch.autograd.grad(weight * found, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("items", "width", "spread"), [(1000, 128, 0.05), (20_000, 16, 0.3), (20_000, 16, 10.0)])
def test_catalogue_cross_entropy_in_float32_equals_the_naive_one_in_float64(items, width, spread):
    """One tile per row, several, and logits so large that the largest is taken off; to 1e-5 of the largest entry."""
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randn(100, width, generator=generator)
    vectors = torch.randn(items, width, generator=generator) * spread
    targets = torch.randint(items, (100,), generator=generator)
    exact = [predicted.double().requires_grad_(), vectors.double().requires_grad_()]
    expected = F.cross_entropy(exact[0] @ exact[1].T, targets)
    loss = catalogue_cross_entropy(predicted.requires_grad_(), vectors.requires_grad_(), targets)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    found = torch.autograd.grad(loss, (predicted, vectors))
    for gradient, wanted in zip(found, torch.autograd.grad(expected, exact), strict=True):
        assert (gradient - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_a_confident_prediction_keeps_its_small_loss():
    """The target's logit and the logarithm of the sum nearly cancel; float32 has to keep what is left."""
    for scale in (50.0, 500.0):
        predicted, vectors = torch.eye(4)[:1] * 10, torch.eye(4) * scale / 10
        loss = catalogue_cross_entropy(predicted, vectors, torch.tensor([0]))
        assert loss.item() == pytest.approx(3 * math.exp(-scale), abs=2e-7)


@pytest.mark.parametrize(("device", "entries"), [("cpu", 2**20), ("cuda", 2**26)])
@pytest.mark.parametrize("items", [5000, 12_000, 65_000, 1_000_000, 10_000_000])
def test_logits_of_a_large_catalogue_are_held_a_tile_at_a_time(device, entries, items):
    """Memory of activations does not grow with V, and tiles get neither thin nor many."""
    rows, columns = losses._tile_shape(4096, items, torch.device(device))
    assert rows * columns <= entries
    assert rows >= losses._FEWEST_ROWS
    tiles = math.ceil(4096 / rows) * math.ceil(items / columns)
    assert tiles <= max(8, 8 * 4096 * items / entries)


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
