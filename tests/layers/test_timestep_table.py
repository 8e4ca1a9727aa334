"""The table of timesteps is computed once while nothing is trained, and again whenever weights may have changed."""

from __future__ import annotations

import torch

from adrec_cli.layers.embedding import TimestepEmbedding


def made() -> TimestepEmbedding:
    embedding = TimestepEmbedding(8, 4)
    embedding.initialize(torch.Generator().manual_seed(0))
    return embedding


def test_it_is_kept_without_gradients_only():
    embedding = made().eval()
    with torch.no_grad():
        first = embedding.table_TD()
        assert embedding.table_TD() is first
    with_gradient = embedding.table_TD()
    assert with_gradient.requires_grad
    assert torch.equal(with_gradient, first)


def test_it_is_made_anew_where_weights_changed():
    embedding = made().eval()
    with torch.no_grad():
        first = embedding.table_TD()
        embedding.expand.weight.mul_(2)
        second = embedding.table_TD()
        assert not torch.equal(first, second)
        embedding.expand.weight.data = embedding.expand.weight.data * 2
        assert not torch.equal(embedding.table_TD(), second)
        embedding.load_state_dict(made().state_dict())
        assert torch.equal(embedding.table_TD(), first)


def test_a_change_that_no_counter_tells_of_is_seen_after_training():
    """A recorded step writes where weights lie; PyTorch counts no version of them then."""
    embedding = made().eval()
    with torch.no_grad():
        first = embedding.table_TD()
        embedding.expand.weight.detach().numpy()[:] *= 2
        embedding.train().eval()
        assert not torch.equal(embedding.table_TD(), first)
