"""The figures that must come out: ReChorus's on its own negatives, a random scorer's, and those of one that knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adrec_cli.data.negatives import read_negatives
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.pipeline.preprocess import preprocess
from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.metrics import metric_table
from adrec_cli.ranking.protocols import select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from tests.ranking.test_scores import asked, made
from tests.reference.rechorus import sampled_metrics


class ByHistory(MostPopular):
    """Scores items by a table with a row a newest item of the history."""

    def use(self, table_VV: torch.Tensor) -> ByHistory:
        self.table_VV = table_VV
        return self

    def represent(self, batch, *, output, sampling, generator):
        newest_B = batch.items_BL[torch.arange(len(batch.lengths_B)), batch.lengths_B - 1]
        return self.table_VV[newest_B]

    def item_vectors_VD(self):
        return torch.eye(len(self.table_VV))


def ranks_of(model, sequences, cases, **options):
    return target_ranks(asked(model), sequences, cases, Rivals(**options))


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["test", pytest.param("dev", marks=pytest.mark.slow)])
def test_rechorus_counting_on_its_own_negatives(shared_data, tmp_path, part):
    """Popularity has ties, negatives are repeated: all as ReChorus counts them."""
    path = shared_data / f"grocery/splits/{part}.parquet"
    preprocess("grocery", workspace=tmp_path, raw=shared_data)
    dataset = open_dataset(tmp_path / "grocery")
    items, sequences = dataset.items, dataset.sequences
    cases = select_cases(sequences, "valid" if part == "dev" else "test")
    negatives = read_negatives(
        path, user_ids=sequences.user_ids.gather(cases.users).to_list(), targets=cases.targets, items=items
    )
    counts = dict(zip(items["item_id"].to_list(), items["count"].to_list(), strict=True))
    popular = MostPopular.from_counts(torch.tensor([0, *items["count"].to_list()]))
    table = metric_table(ranks_of(popular, sequences, cases, negatives=negatives), cases.users)
    for name, expected in sampled_metrics(path, lambda user, item: counts[item]).items():
        assert table[name] == pytest.approx(expected, abs=1e-12), name


K, ITEMS = 10, 150


@pytest.fixture(scope="module")
def random_world():
    """Histories and scores that have nothing to do with one another."""
    rng = np.random.default_rng(3)
    sequences = made([rng.choice(np.arange(1, ITEMS + 1), size=4, replace=False).tolist() for _ in range(3000)], ITEMS)
    table = torch.rand(ITEMS + 1, ITEMS + 1, generator=torch.Generator().manual_seed(4))
    return sequences, select_cases(sequences, "test"), ByHistory.from_counts(torch.zeros(ITEMS + 1)).use(table)


def test_a_random_scorer_hits_k_of_all_candidates(random_world):
    sequences, cases, model = random_world
    negatives = draw_negatives(sequences, cases, 99, seed=1)
    for options, candidates in (({"negatives": negatives}, 100), ({}, ITEMS)):
        ranks = ranks_of(model, sequences, cases, **options)
        low, high = metric_intervals(ranks, cases.users)[f"hr@{K}"]
        assert low <= K / candidates <= high, candidates
        assert high - low < 0.03


def test_a_scorer_that_sees_the_answer_gets_one(random_world):
    sequences, _, model = random_world
    # Every history ends with an item of its own, so the table may hold the answer.
    histories = [[*sequences.history(user)[:1].tolist(), user + 1, 1 + (7 * user) % ITEMS] for user in range(ITEMS)]
    known = made(histories, ITEMS)
    cases = select_cases(known, "test")
    answers = torch.zeros(ITEMS + 1, ITEMS + 1)
    answers[[history[1] for history in histories], [history[2] for history in histories]] = 1.0
    for options in ({}, {"negatives": draw_negatives(known, cases, 99, seed=1)}, {"mask_seen": True}):
        ranks = ranks_of(model.use(answers), known, cases, **options)
        assert set(metric_table(ranks, cases.users).values()) == {1.0}


def test_equal_scores_count_against_the_target(random_world):
    """A model that says nothing must not profit from the order of items."""
    sequences, cases, model = random_world
    silent = model.use(torch.zeros(ITEMS + 1, ITEMS + 1))
    assert (ranks_of(silent, sequences, cases) == ITEMS).all()
    negatives = draw_negatives(sequences, cases, 99, seed=1)
    negatives[:, 0] = cases.targets
    # The target does not compete with itself, where a file has it among the negatives.
    assert (ranks_of(silent, sequences, cases, negatives=negatives) == 99).all()
