"""Dropout from a passed generator."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.layers.dropout import dropout


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_share_of_zeros_and_expectation(probability):
    dropped = dropout(torch.ones(1_000_001), probability, torch.Generator().manual_seed(0))
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=0.002)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.005)


def test_without_a_generator_nothing_happens():
    x = torch.randn(5)
    assert dropout(x, 0.5, None) is x


def test_equal_seeds_drop_the_same_and_the_global_generator_stays_out():
    x = torch.ones(1000)
    state = torch.get_rng_state()
    first = dropout(x, 0.4, torch.Generator().manual_seed(7))
    second = dropout(x, 0.4, torch.Generator().manual_seed(7))
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


def test_entries_are_dropped_independently():
    """Four entries share a draw; each pair of neighbours must still be independent."""
    kept = dropout(torch.ones(400_000), 0.5, torch.Generator().manual_seed(1)).view(-1, 4) > 0
    correlation = torch.corrcoef(kept.float().T)
    off_diagonal = correlation - torch.eye(4)
    assert off_diagonal.abs().max().item() < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_a_compiled_graph_drops_the_same_entries(probability, dtype, monkeypatch):
    """It is given a branch of its own, which the compiler can read."""
    x = torch.linspace(-3, 3, 1001, dtype=dtype)
    plain = dropout(x, probability, torch.Generator().manual_seed(3))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    compiled = dropout(x, probability, torch.Generator().manual_seed(3))
    assert torch.equal(plain == 0, compiled == 0)
    torch.testing.assert_close(compiled, plain, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6, atol=0)
