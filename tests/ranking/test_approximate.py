"""The best items by an index: the scores of the exact search, every filter kept, and nearly all of the best found."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.ranking import approximate
from adrec_cli.ranking.approximate import LIST, ItemIndex, build_index, choose_pool
from adrec_cli.ranking.scores import top_k
from tests.examples import tries

pytest.importorskip("faiss")

ITEMS, WIDTH, USERS = 4_000, 12, 6


@pytest.fixture(scope="module")
def vectors_VD() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(40, WIDTH, generator=generator)
    chosen = torch.randint(0, 40, (ITEMS + 1,), generator=generator)
    vectors = centres[chosen] + 0.5 * torch.randn(ITEMS + 1, WIDTH, generator=generator)
    vectors[0] = 0
    return vectors


@pytest.fixture(scope="module")
def index(vectors_VD: torch.Tensor) -> ItemIndex:
    return ItemIndex(build_index(vectors_VD.numpy()), 200)


def asked(seed: int) -> torch.Tensor:
    return torch.randn(USERS, WIDTH, generator=torch.Generator().manual_seed(seed))


def bias_of(seed: int, size: int = 5) -> HistoryBias:
    """A bias over some items of each row, large both ways."""
    generator = np.random.default_rng(seed)
    items = np.stack([generator.choice(np.arange(1, ITEMS + 1), size, replace=False) for _ in range(USERS)])
    items[:, -1] = 0
    values = generator.choice([-30.0, -1.0, 2.0, 9.0], size=items.shape) * (items > 0)
    return HistoryBias(items_NS=torch.from_numpy(items), values_NS=torch.from_numpy(values).float())


@settings(max_examples=tries(60), deadline=None)
@given(
    seed=st.integers(0, 10_000),
    k=st.sampled_from([1, 7, 60]),
    share=st.sampled_from([None, 0.9, 0.4, 0.01, 0.0]),
    excluded=st.integers(0, 30),
    biased=st.booleans(),
)
def test_lists_keep_every_filter_and_have_the_scores_of_the_exact_search(
    index, vectors_VD, seed, k, share, excluded, biased
):
    generator = np.random.default_rng(seed)
    representation_BD, bias = asked(seed), bias_of(seed) if biased else None
    candidates = None if share is None else np.flatnonzero(generator.random(ITEMS + 1) < share)
    candidates = None if candidates is None else candidates[candidates > 0]
    best = top_k(representation_BD, vectors_VD, excluded, [np.empty(0, np.int64)] * USERS, None, bias)
    left_out = [one.items for one in best]
    found = index.top_k(representation_BD, vectors_VD, k, left_out, candidates, bias)
    exact = top_k(representation_BD, vectors_VD, k, left_out, candidates, bias)
    everything = top_k(representation_BD, vectors_VD, ITEMS, left_out, candidates, bias)
    for ours, theirs, out, whole in zip(found, exact, left_out, everything, strict=True):
        assert len(ours.items) == len(theirs.items)
        assert len(set(ours.items.tolist())) == len(ours.items)
        assert not set(ours.items.tolist()) & set(out.tolist())
        assert candidates is None or set(ours.items.tolist()) <= set(candidates.tolist())
        scores = dict(zip(whole.items.tolist(), whole.scores.tolist(), strict=True))
        assert ours.scores.tolist() == pytest.approx([scores[item] for item in ours.items.tolist()], abs=1e-4)
        assert (np.diff(ours.scores) <= 0).all()
        if len(ours.items):
            assert len(set(ours.items.tolist()) & set(theirs.items.tolist())) >= 0.8 * len(ours.items)


@settings(max_examples=tries(200), deadline=None)
@given(
    seed=st.integers(0, 10_000), size=st.integers(0, 60), excluded=st.integers(0, 30), biased=st.integers(0, 30),
)  # fmt: skip
def test_a_pool_of_which_too_little_is_left_gives_way_to_the_exact_search(
    index, vectors_VD, seed, size, excluded, biased
):
    """Of the worst items, so that it shows which was done; what is left out or biased does not count."""
    generator, representation_BD = np.random.default_rng(seed), asked(seed)[:1]
    worst = (representation_BD @ vectors_VD[1:].T).argsort(dim=1)[0, :60].numpy() + 1
    pool, out, moved = (generator.permutation(worst)[:count] for count in (size, excluded, biased))
    bias = None
    if biased:
        bias = HistoryBias(items_NS=torch.from_numpy(moved)[None], values_NS=torch.full((1, biased), -30.0))
    candidates = np.sort(generator.permutation(ITEMS)[: ITEMS * 9 // 10] + 1)
    rest = vectors_VD, 10, [np.sort(out)]
    with patch.object(index, "find", lambda *_: pool[None]):
        (found,) = index.top_k(representation_BD, *rest, candidates, bias)
    allowed = (set(pool) | set(moved)) & set(candidates)
    enough = len(allowed - set(out) - set(moved)) >= index.pool * 10 // LIST
    looked_at = np.array(sorted(allowed)) if enough else candidates
    (expected,) = top_k(representation_BD, *rest, looked_at, bias)
    assert found.items.tolist() == expected.items.tolist()


def test_nearly_all_of_the_best_are_found(index, vectors_VD):
    representation_BD = torch.randn(200, WIDTH, generator=torch.Generator().manual_seed(9))
    nothing = [np.empty(0, np.int64)] * 200
    found = index.top_k(representation_BD, vectors_VD, 10, nothing)
    exact = top_k(representation_BD, vectors_VD, 10, nothing)
    shares = [np.isin(one.items, other.items).mean() for one, other in zip(exact, found, strict=True)]
    assert np.mean(shares) >= 0.99


def test_what_a_bias_lifts_is_found_though_the_index_does_not_know_it(index, vectors_VD):
    representation_BD = asked(1)
    worst = (representation_BD @ vectors_VD[1:].T).argmin(dim=1) + 1
    lifted = HistoryBias(items_NS=worst.unsqueeze(1), values_NS=torch.full((USERS, 1), 1e3))
    found = index.top_k(representation_BD, vectors_VD, 5, [np.empty(0, np.int64)] * USERS, None, lifted)
    assert [one.items[0] for one in found] == worst.tolist()


def test_equal_scores_come_in_the_order_of_their_items(vectors_VD):
    twice_VD = torch.cat([vectors_VD[:1], vectors_VD[1:].repeat(2, 1)])
    index = ItemIndex(build_index(twice_VD.numpy()), 400)
    for one in index.top_k(asked(2), twice_VD, 10, [np.empty(0, np.int64)] * USERS):
        assert (one.items[1::2] - one.items[::2] == ITEMS).all()
        assert (one.scores[1::2] == one.scores[::2]).all()


def test_the_smallest_pool_that_is_enough_is_taken_and_none_where_none_is(vectors_VD, monkeypatch):
    codes = build_index(vectors_VD.numpy())
    pool, recall = choose_pool(codes, asked(3), vectors_VD)
    assert pool in approximate.POOLS
    assert recall >= 0.99
    smaller = [other for other in approximate.POOLS if other < pool]
    found = [ItemIndex(codes, LIST).find(asked(3), other) for other in smaller]
    exact = top_k(asked(3), vectors_VD, LIST, [np.empty(0, np.int64)] * USERS)
    for rows in found:
        assert np.mean([np.isin(one.items, row).mean() for one, row in zip(exact, rows, strict=True)]) < 0.99
    monkeypatch.setattr(approximate, "RECALL", 1.01)
    assert choose_pool(codes, asked(3), vectors_VD)[0] == 0


def test_an_index_is_built_with_the_same_bytes_again(vectors_VD):
    one, two = (build_index(vectors_VD.numpy()) for _ in range(2))
    assert [array.tobytes() for array in one] == [array.tobytes() for array in two]


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_common_items_are_counted(some, others):
    one, other = (np.array(sorted(items), dtype=np.int64) for items in (some, others))
    assert approximate._count_common(one, other) == len(some & others)
