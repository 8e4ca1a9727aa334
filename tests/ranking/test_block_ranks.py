"""Targets ranked among items in blocks: as among a whole table, whatever the number of processes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.ranking.block_ranks import rank_by_blocks
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.training.item_blocks import ItemBlocks
from adrec_cli.training.processes import Processes
from tests.training.test_loop import CPU, sequences
from tests.training.threads import in_threads
from tests.variants import small_model

ITEMS = 90
_LEARNED = sequences(items=ITEMS)
DATA = dataclasses.replace(_LEARNED, train_end=_LEARNED.train_end - 1)
CASES = select_cases(DATA, "valid")
RIVALS = {
    "all": Rivals(),
    "unseen": Rivals(mask_seen=True),
    "drawn": Rivals(negatives=draw_negatives(DATA, CASES, 20, 3)),
}


def scorer_of(*, alike: bool) -> Scorer:
    """A model whose vectors are drawn afresh, or one in which each third item has the vector of the one before."""
    model = small_model("sasrec", {"repeats": "learned"}, items=ITEMS)
    with torch.no_grad():
        model.repeats.weight.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(4))
        if alike:
            model.item_embedding.weight[3::3] = model.item_embedding.weight[2:-1:3]
    return Scorer(model=model, output="next_item", sampling=FAST_SAMPLING, device=CPU)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("rivals", RIVALS)
def test_ranks_are_those_among_the_whole_table(rivals, alike):
    """With vectors that are alike there are ties, which count against the target."""

    def rank(processes: Processes) -> np.ndarray:
        scorer = scorer_of(alike=alike)
        blocks = ItemBlocks(scorer.model, processes)
        return rank_by_blocks(scorer, DATA, CASES, RIVALS[rivals], blocks, lambda: None)

    expected = target_ranks(scorer_of(alike=alike), DATA, CASES, RIVALS[rivals])
    assert len(np.unique(expected)) > 10
    for count in (1, 2, 3, 7):
        for found in in_threads(count, rank):
            assert found.tolist() == expected.tolist()


def test_what_ends_the_ranking_of_one_ends_that_of_all():
    from adrec_cli.errors import Stopped

    def rank(processes: Processes) -> int:
        scorer = scorer_of(alike=False)
        done = []

        def stop() -> None:
            done.append(1)
            if processes.rank == 1:
                raise Stopped("asked to", signal_number=15)

        with pytest.raises(Stopped):
            rank_by_blocks(
                scorer, DATA, CASES, Rivals(), ItemBlocks(scorer.model, processes), lambda: processes.agree(stop)
            )
        return len(done)

    assert in_threads(2, rank) == [1, 1]
