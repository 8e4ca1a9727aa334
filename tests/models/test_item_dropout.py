"""Dropout of item vectors: the same entries for inputs and targets, also in the loss."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adrec_cli.errors import UsageError
from adrec_cli.models.registry import find_stages
from adrec_cli.training.objective import Objective
from adrec_cli.training.ranking_loss import RankingLoss
from tests.models.test_baselines import CLOSE, ITEMS, made, packed


@pytest.mark.parametrize("name", ["sasrec", "esasrec"])
def test_items_lack_the_same_entries_as_inputs_and_as_targets(name):
    batch = packed([[3, 4, 5, 6], [7, 3, 4]], [[1, 2, 3, 4, 5]])
    model, plain = made(name, item_dropout=0.5), made(name, item_dropout=0.0)
    outputs = model.token_outputs(batch, output="next_item", generator=torch.Generator().manual_seed(1))
    dropped = outputs.vectors_VD
    kept = dropped != 0
    assert 0.4 < kept[1:].float().mean() < 0.6
    assert torch.equal(dropped, torch.where(kept, 2 * model.item_vectors_VD(), 0.0)), "the expectation stays"
    assert not dropped[0].any(), "padding has no vector"
    # A model without this dropout that has these vectors says the same.
    plain.item_embedding.weight.data = dropped.detach()
    same = plain.token_outputs(batch, output="next_item", generator=torch.Generator().manual_seed(2))
    assert torch.allclose(outputs.predicted_ND, same.predicted_ND, **CLOSE)
    assert same.vectors_VD is None, "its own"
    again = model.token_outputs(batch, output="next_item", generator=None)
    assert again.vectors_VD is None, "outside of training nothing is dropped"


@pytest.mark.parametrize("loss", ["ce", "sampled_softmax"])
def test_the_loss_is_of_the_dropped_vectors(loss):
    batch = packed([[3, 4, 5, 6], [7, 3, 4]])
    model = made("esasrec", item_dropout=0.5)
    stage = dataclasses.replace(find_stages("esasrec")["train"], ranking_loss=loss, negatives=8)
    ranking_loss = RankingLoss(stage, torch.ones(ITEMS + 1, dtype=torch.float64))
    values, _ = Objective(stage, model, ranking_loss, "float32").backward(
        [batch], [torch.Generator().manual_seed(1)], dict(model.named_parameters()), where="here"
    )
    generator = torch.Generator().manual_seed(1)
    outputs = model.token_outputs(batch, output="next_item", generator=generator)
    negatives = ranking_loss.draw(len(outputs.targets_N), generator)
    expected = ranking_loss(outputs.predicted_ND, outputs.vectors_VD, outputs.targets_N, negatives)
    assert values[loss] == pytest.approx(expected.item())
    gradient = model.item_embedding.weight.grad
    never_kept = (outputs.vectors_VD == 0) & (model.item_vectors_VD() != 0)
    assert gradient[~never_kept].any()
    assert not gradient[never_kept].any(), "what is dropped learns nothing in this step"


def test_item_dropout_and_an_optimizer_by_rows_do_not_go_together():
    made("esasrec", item_dropout=0.0).give_sparse_item_gradients(True)
    made("esasrec", item_dropout=0.2).give_sparse_item_gradients(False)
    with pytest.raises(UsageError, match="item_dropout"):
        made("esasrec", item_dropout=0.2).give_sparse_item_gradients(True)
