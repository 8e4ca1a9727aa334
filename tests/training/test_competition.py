"""Items that never occur in train do not compete there: losses equal those over the others alone."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.stages import Stage
from adrec_cli.training.competition import Competition, Rivals
from adrec_cli.training.ranking_loss import RankingLoss
from tests.variants import small_model, some_content

ITEMS = 40
LEARNT = torch.tensor([True] * 30 + [False] * 11)


def test_the_loss_is_that_of_a_catalogue_without_them() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, predicted = torch.randn(ITEMS + 1, 8, generator=generator), torch.randn(20, 8, generator=generator)
    targets = torch.randint(1, 30, (20,), generator=generator)
    bias = HistoryBias(
        items_NS=torch.randint(1, 30, (20, 1), generator=generator), values_NS=torch.randn(20, 1, generator=generator)
    )
    order = torch.cat([torch.tensor([0]), torch.randperm(ITEMS, generator=generator) + 1])
    numbers = order.argsort()
    competes = LEARNT[order]
    competes[0] = True
    loss = RankingLoss(Stage(output="x", trains=("all",), fresh=()), torch.ones(30).double())
    expected = loss(predicted, vectors[:30], targets, None, bias)
    moved = Rivals(
        vectors=vectors[order],
        targets_N=numbers[targets],
        bias=HistoryBias(items_NS=numbers[bias.items_NS], values_NS=bias.values_NS),
    )
    among = Competition(competes.nonzero().squeeze(1), ITEMS + 1).of_rivals(moved)
    found = loss(predicted, among.vectors, among.targets_N, None, among.bias)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["none", "sum"])
def test_without_such_items_all_compete(kind: str) -> None:
    model = small_model("sasrec", {} if kind == "none" else {"content": kind, "content_width": 7}, items=ITEMS)
    assert Competition.of(model) is None
    model.give_content(some_content(ITEMS, 7), LEARNT)
    competition = Competition.of(model)
    assert (competition is None) == (kind == "none")
    if competition is not None:
        assert competition.items_C.tolist() == list(range(30))
