"""Losses over drawn negatives compute the vectors of these and of the targets alone; it makes no difference to them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from adrec_cli.data.batches import TrainingWindows
from adrec_cli.layers.content import ItemContent
from adrec_cli.models.registry import find_stages
from adrec_cli.models.stages import Stage
from adrec_cli.training.objective import Objective
from adrec_cli.training.ranking_loss import RankingLoss
from tests.batches import epoch_batches
from tests.tiers import sampled
from tests.variants import EVERY_MODEL, small_model, some_content

ITEMS, NEGATIVES = 300, 9
LEARNT = [item for item in range(1, ITEMS + 1) if item % 5]
WITH_CONTENT = {
    name: (model, options)
    for name, (model, options) in EVERY_MODEL.items()
    if "content_width" in options and not small_model(model, options).needs_prefixes
}
LOSSES = ["sampled_softmax", "bce", "gbce", "bpr_max", "top1_max"]
windows = TrainingWindows(
    items=np.random.default_rng(0).choice(LEARNT, 60).astype(np.int32),
    starts=np.arange(0, 60, 10),
    lengths=np.full(6, 9, dtype=np.int64),
)


def stage_of(model: str, **changes: Any) -> Stage:
    last = list(find_stages(model).values())[-1]
    return dataclasses.replace(last, negatives=NEGATIVES, ce_weight=last.ce_weight or 1.0, **changes)


def gradients_of(model: str, options: dict[str, Any], stage: Stage, *, some_new: bool) -> dict[str, torch.Tensor]:
    """Return the losses and the gradients of a step, by name."""
    network = small_model(model, options, items=ITEMS)
    if some_new:
        learnt_V = torch.zeros(ITEMS + 1, dtype=torch.bool)
        learnt_V[LEARNT] = True
        network.give_content(some_content(ITEMS, options["content_width"]), learnt_V)
    trained = dict(network.named_parameters())
    ranking_loss = RankingLoss.from_windows(stage, network, windows, sparse=False)
    batch = next(iter(epoch_batches(windows, batch_size=6, max_length=12, generator=torch.Generator().manual_seed(2))))
    values, _ = Objective(stage, network, ranking_loss, "float32").backward(
        [batch], [torch.Generator().manual_seed(1)], trained, where="here"
    )
    found = {name: torch.tensor(value) for name, value in values.items()}
    return found | {name: weight.grad for name, weight in trained.items() if weight.grad is not None}


@sampled("some_new", {"all learnt": False, "some new": True}, quick=["some new"])
@sampled("loss", LOSSES, quick=list(LOSSES)[:2])
@pytest.mark.parametrize(("model", "options"), WITH_CONTENT.values(), ids=WITH_CONTENT)
def test_losses_and_gradients_are_those_of_the_whole_table(model, options, loss, some_new, monkeypatch):
    stage = stage_of(model, ranking_loss=loss, logq_correction=loss == "sampled_softmax", negatives_power=0.5)
    found = gradients_of(model, options, stage, some_new=some_new)
    monkeypatch.setattr(RankingLoss, "looks_up_few", lambda *_: False)
    expected = gradients_of(model, options, stage, some_new=some_new)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(
            found[name], values, rtol=1e-4, atol=1e-6, msg=lambda why, name=name: f"{name}: {why}"
        )


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({"ranking_loss": "sampled_softmax"}, False),
        ({"ranking_loss": "ce"}, True),
        ({"ranking_loss": "sampled_softmax", "shared_negatives": False}, True),
        ({"ranking_loss": "sampled_softmax", "negatives": ITEMS}, True),
    ],
    ids=["few", "full softmax", "negatives of each token's own", "more negatives than items"],
)
def test_a_step_computes_the_whole_table_only_where_it_must(changes, whole, monkeypatch):
    asked, compute = [], ItemContent.forward
    model, options = WITH_CONTENT["sasrec content"]
    stage = dataclasses.replace(stage_of(model), **changes)

    def forward(self: ItemContent, items: torch.Tensor | None = None) -> torch.Tensor:
        if items is None and torch.is_grad_enabled():
            asked.append("all")
        return compute(self, items)

    def losses(self: Objective, *given: Any) -> Any:
        asked.clear()
        return compute_losses(self, *given)

    compute_losses = Objective._losses
    monkeypatch.setattr(ItemContent, "forward", forward)
    monkeypatch.setattr(Objective, "_losses", losses)
    gradients_of(model, options, stage, some_new=False)
    assert bool(asked) == whole
