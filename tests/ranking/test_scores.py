"""Ranks by counting and the best k, against sorting."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import InputError
from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.most_popular import MostPopular
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking import scores
from adrec_cli.ranking.protocols import Protocol, select_cases
from adrec_cli.ranking.ranks import target_ranks
from adrec_cli.ranking.rivals import Rivals, draw_negatives
from adrec_cli.ranking.scorer import Scorer
from adrec_cli.ranking.scores import _best, _largest, top_k
from tests.examples import tries

CPU = torch.device("cpu")


def made(histories: list[list[int]], items: int) -> Sequences:
    lengths = np.array([len(history) for history in histories])
    held_out = lengths >= 3
    return Sequences(
        user_ids=pl.Series([str(u) for u in range(len(histories))]),
        items=np.array([item for history in histories for item in history], dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        train_end=np.where(held_out, lengths - 2, lengths),
        valid_end=np.where(held_out, lengths - 1, lengths),
        item_count=items,
    )


def asked(model: SequentialRecommender, output: str = "popularity", **options: Any) -> Scorer:
    """A model as it is asked by default."""
    return Scorer(**{"model": model, "output": output, "sampling": Sampling(), "device": CPU, **options})


def ranked(counts: list[float], sequences: Sequences, **options):
    model = MostPopular.from_counts(torch.tensor([0.0, *counts]))
    return target_ranks(asked(model), sequences, select_cases(sequences, "test"), Rivals(**options))


def test_ties_count_against_the_target_and_padding_never_ranks():
    sequences = made([[1, 2, 3]], items=5)
    assert ranked([-1, -1, -2, -2, -3], sequences).tolist() == [4]
    assert ranked([-1, -1, -1, -1, -1], sequences).tolist() == [5]
    assert ranked([0, 0, 9, 0, 0], sequences).tolist() == [1]


def test_masking_seen_items_leaves_the_target_in():
    sequences = made([[1, 2, 3], [3, 2, 3]], items=5)
    assert ranked([9, 8, 1, 2, 0], sequences, mask_seen=True).tolist() == [2, 3]


def test_sampled_ranks_count_a_negative_as_often_as_it_was_drawn():
    sequences = made([[1, 2, 3]], items=5)
    negatives = np.array([[4, 4, 5, 3]])
    assert ranked([0, 0, 5, 7, 5], sequences, negatives=negatives).tolist() == [4]


@settings(max_examples=tries(50), deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 12), st.integers(0, 1000), st.integers(1, 300))
def test_top_k_equals_a_full_sort(users, items, k, seed, chunk):
    generator = torch.Generator().manual_seed(seed)
    representation = torch.randint(-2, 3, (users, 3), generator=generator).float()
    vectors = torch.randint(-2, 3, (items + 1, 3), generator=generator).float()
    rng = np.random.default_rng(seed)
    excluded = [np.unique(rng.integers(1, items + 1, size=rng.integers(0, items + 1))) for _ in range(users)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "_CHUNK_ENTRIES", {"cpu": chunk})
        found = top_k(representation, vectors, k, excluded)
    all_scores = (representation @ vectors.T).numpy()
    for user in range(users):
        left = [item for item in range(1, items + 1) if item not in set(excluded[user].tolist())]
        best = sorted(left, key=lambda item: (-all_scores[user, item], item))[:k]
        assert found[user].items.tolist() == best


@settings(deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 200), st.integers(1, 12), st.integers(2, 9), st.integers(1, 6), st.integers(0, 99)
)
def test_the_largest_are_found_in_blocks(rows, columns, count, block, levels, seed):
    """Few levels make many equal scores; some items are out of the competition."""
    scores = torch.randint(levels, (rows, columns), generator=torch.Generator().manual_seed(seed)).float()
    scores[scores == levels - 1] = float("-inf")
    count = min(count, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adrec_cli.ranking.scores._MANY_COLUMNS", 0)
        patch.setattr("adrec_cli.ranking.scores._BLOCK", block)
        values, found = _largest(scores, count)
    assert torch.equal(values, scores.topk(count, dim=1).values)
    assert torch.equal(scores.gather(1, found), values)
    assert all(len(set(row)) == count for row in found.tolist())


@settings(max_examples=tries(200), deadline=None)
@given(st.integers(1, 120), st.integers(1, 6), st.integers(1, 20), st.integers(1, 40), st.integers(0, 1000))
def test_the_best_of_one_row_are_those_of_a_full_sort(columns, k, block, levels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, columns).astype(np.float32)
    scores[rng.random(columns) < 0.3] = -np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adrec_cli.ranking.scores._BLOCK", block)
        found = _best(torch.from_numpy(scores), min(k, columns))
    expected = [column for column in np.argsort(-scores, kind="stable")[:k] if np.isfinite(scores[column])]
    assert found.items.tolist() == expected
    assert found.scores.tolist() == scores[expected].tolist()


def test_scores_of_own_items_are_inner_products_in_pieces_of_any_size(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    representation, vectors = torch.randn(50, 4, generator=generator), torch.randn(9, 4, generator=generator)
    items = torch.randint(9, (50, 6), generator=generator)
    expected = (representation @ vectors.T).gather(1, items)
    gathered, einsum = [], torch.einsum
    monkeypatch.setattr(scores, "_MIN_ROWS", 1)
    monkeypatch.setattr(torch, "einsum", lambda terms, one, other: gathered.append(other) or einsum(terms, one, other))
    for entries, largest in ((1, 1), (6 * 4 * 7, 7), (10**6, 50)):
        gathered.clear()
        monkeypatch.setattr(scores, "_CHUNK_ENTRIES", {"cpu": entries})
        torch.testing.assert_close(scores.scores_of(representation, vectors, items), expected)
        assert max(map(len, gathered)) == largest
    bias = HistoryBias(items_NS=items[:, :2], values_NS=torch.ones(50, 2))
    for some in (None, bias):
        assert scores.scores_of(representation, vectors, items[:, :0], some).shape == (50, 0)


def test_drawn_negatives_are_unseen_and_repeatable():
    sequences = made([[1, 2, 3, 4], [5, 6, 7], [1, 9, 3]], items=9)
    cases = select_cases(sequences, "test")
    negatives = draw_negatives(sequences, cases, 99, seed=3)
    for user, drawn in zip(cases.users, negatives, strict=True):
        assert not set(drawn.tolist()) & set(sequences.history(user).tolist())
        assert set(drawn.tolist()) | set(sequences.history(user).tolist()) == set(range(1, 10))
    assert (negatives == draw_negatives(sequences, cases, 99, seed=3)).all()
    assert (negatives != draw_negatives(sequences, cases, 99, seed=4)).any()


def test_no_negatives_for_someone_who_has_everything():
    sequences = made([[1, 2, 3]], items=3)
    with pytest.raises(InputError, match="every item"):
        draw_negatives(sequences, select_cases(sequences, "test"), 5, seed=0)


def test_cases_of_leave_one_out_and_of_a_global_time_split():
    sequences = made([[1, 2, 3, 4], [5, 6]], items=9)
    valid, test = select_cases(sequences, "valid"), select_cases(sequences, "test")
    assert (valid.users.tolist(), valid.targets.tolist(), valid.ends.tolist()) == ([0], [3], [2])
    assert (test.users.tolist(), test.targets.tolist(), test.ends.tolist()) == ([0], [4], [3])
    timed = Sequences(
        user_ids=pl.Series(["a", "b"]), items=np.array([1, 2, 3, 4, 5, 6], dtype=np.int32),
        offsets=np.array([0, 4, 6]), train_end=np.array([1, 0]), valid_end=np.array([2, 0]), item_count=6,
    )  # fmt: skip
    test = select_cases(timed, "test")
    # User b's first event has no history and is left out.
    assert (test.users.tolist(), test.targets.tolist()) == ([0, 0, 1], [3, 4, 6])


def test_protocol_codes():
    assert Protocol().code == "loo/full/test"
    assert Protocol(split="time", part="valid", negatives=99).code == "time/sampled-99/valid"
    assert Protocol(mask_seen=True).code == "loo/full/test/mask-seen"


def test_a_random_model_hits_k_of_v_and_one_that_knows_hits_always():
    rng = np.random.default_rng(0)
    histories = [rng.integers(1, 101, size=3).tolist() for _ in range(4000)]
    sequences = made(histories, items=100)
    cases = select_cases(sequences, "test")

    class Random(MostPopular):
        def represent(self, batch, *, output, sampling, generator):
            return torch.randn(len(batch.lengths_B), 100, generator=generator)

        def item_vectors_VD(self):
            return torch.cat([torch.zeros(1, 100), torch.eye(100)])

    model = Random.from_counts(torch.zeros(101))
    ranks = target_ranks(asked(model), sequences, cases)
    assert (ranks <= 10).mean() == pytest.approx(0.1, abs=0.02)
