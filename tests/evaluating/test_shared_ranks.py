"""Ranks and lists that several processes share, in threads: those of one, however many there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.evaluating.held_out import HeldOut
from adrec_cli.evaluating.recommended_lists import list_figures
from adrec_cli.experiments.events import RankingProgress
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking import scorer as scorer_module
from adrec_cli.ranking.protocols import Protocol, select_cases
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.ranking.samples import Merging
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.training.processes import ALONE, Processes
from tests.examples import tries
from tests.training.test_loop import sequences
from tests.training.threads import in_threads
from tests.variants import small_model

ITEMS = 30
_LEARNED = sequences(items=ITEMS)
DATA = dataclasses.replace(_LEARNED, train_end=_LEARNED.train_end - 1)
CATEGORIES = pl.Series([f"c{item % 4}" for item in range(ITEMS)])
OPENED = SimpleNamespace(
    sequences=DATA, items=pl.DataFrame({"count": np.arange(ITEMS) % 7, "category": CATEGORIES}), folder=Path()
)
PROTOCOL = Protocol(split="loo", part="valid", negatives=0, mask_seen=False, cold_items=False)


@settings(max_examples=tries(12))
@given(data=st.data())
def test_ranks_and_lists_do_not_hang_on_the_number_of_processes(data: st.DataObject) -> None:
    """With any number of cases, so that some processes have no batch, any size of batches, and ties."""
    cases = select_cases(DATA, "valid").some(slice(data.draw(st.integers(1, 60), label="cases")))
    negatives = draw_negatives(DATA, cases, 9, 3)
    rivals = data.draw(st.sampled_from([Rivals(), Rivals(mask_seen=True), Rivals(negatives=negatives)]))
    merging = Merging(
        samples=data.draw(st.integers(1, 2)), merge=data.draw(st.sampled_from(["reciprocal-rank", "mean-score"]))
    )
    tokens, count = data.draw(st.sampled_from([16, 64, 4096])), data.draw(st.integers(2, 4))
    asked = HeldOut(dataset=OPENED, cases=cases, rivals=rivals, protocol=PROTOCOL)  # type: ignore[arg-type]

    def measure(processes: Processes) -> tuple[list[int], dict[str, float], list[int]]:
        model = small_model("adrec", {}, items=ITEMS)
        with torch.no_grad():
            model.item_embedding.weight[3::3] = model.item_embedding.weight[2:-1:3]
        sampling = Sampling(steps=1, noise="seeded", temperature=1.0)
        scorer = Scorer(model=model, output="x_start", sampling=sampling, merging=merging, device=torch.device("cpu"))
        told: list[RankingProgress] = []
        ranks, _ = asked.rank(scorer, told.append, processes)
        figures = list_figures(scorer, asked, told.append, processes)
        return ranks.tolist(), figures, [event.done for event in told]

    with mock.patch.multiple(scorer_module, _BATCH_TOKENS={"cpu": tokens}, _MIN_BATCH_TOKENS=1):
        ranks, figures, _ = measure(ALONE)
        together = in_threads(count, measure)
    assert min(ranks) >= 1
    for own_ranks, own_figures, done in together:
        assert (own_ranks, own_figures, done) == (ranks, figures, together[0][2])
        assert [done[-1], done.count(len(cases))] == [len(cases), 2]
