"""Metrics against hand-computed fractions and recorded values."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from adrec_cli.errors import UsageError
from adrec_cli.ranking.bootstrap import metric_intervals
from adrec_cli.ranking.metrics import (
    METRICS,
    ByUser,
    hit_rate,
    metric_of_users,
    metric_table,
    ndcg,
    reciprocal_rank,
)
from adrec_cli.ranking.ranks import _count_all

RANKS = np.array([1, 3, 5, 6, 40])


def test_hand_computed():
    assert hit_rate(RANKS, 5).tolist() == [1, 1, 1, 0, 0]
    assert ndcg(RANKS, 5).tolist() == pytest.approx([1, 1 / 2, 1 / math.log2(6), 0, 0])
    assert reciprocal_rank(RANKS, 10).tolist() == pytest.approx([1, 1 / 3, 1 / 5, 1 / 6, 0])


def test_each_user_counts_once():
    values = np.array([1.0, 0.0, 0.0, 1.0])
    assert ByUser(np.array([7, 7, 7, 9])).means(values).tolist() == pytest.approx([1 / 3, 1])


def test_each_user_counts_once_in_every_table():
    """User 7 has a hit in three cases, user 9 one in one: 2/3 by user, where the mean over cases is 1/2."""
    ranks, users = np.array([1, 30, 30, 2]), np.array([7, 7, 7, 9])
    table = metric_table(ranks, users)
    assert table["hr@5"] == pytest.approx((1 / 3 + 1) / 2)
    assert table["mrr@10"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert table["ndcg@20"] == pytest.approx((1 / 3 + 1 / math.log2(3)) / 2)
    assert metric_of_users(ranks, users, "hr@5").tolist() == pytest.approx([1 / 3, 1])


def test_recorded_metrics_exactly(golden):
    recorded = json.loads((golden / "metrics.json").read_text())
    scores = torch.tensor(recorded["scores"])
    labels = torch.tensor(recorded["labels"]).flatten()
    # The recorded scores rank column 0 as an item; ours never do, so they move up by one.
    shifted = torch.cat([torch.zeros(len(scores), 1), scores], dim=1)
    ranks = _count_all([torch.eye(len(scores))], shifted.T, labels.numpy() + 1, [], None)
    table = metric_table(ranks, np.arange(len(ranks)))
    for name, expected in recorded["metrics"].items():
        # Recorded in float32; hits are exact, discounts to its precision.
        assert table[name.lower()] == pytest.approx(expected, rel=0 if name.startswith("HR") else 2e-7)


def test_a_random_ranking_hits_k_of_v():
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 101, size=200_000)
    table = metric_table(ranks, np.arange(len(ranks)))
    assert table["hr@10"] == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (lambda ranks, k: np.where(ranks == 3, np.nan, 1.0), "one finite value for each rank: nan for rank 3 at 5"),
        (lambda ranks, k: np.ones(min(4, len(ranks))), r"one finite value for each rank: values of shape \(4,\) for 5"),
        (lambda ranks, k: np.array([{1: 1, 3: 0}[rank] for rank in ranks.tolist()]), "fails on 5 ranks: KeyError: 5"),
        (lambda ranks, k: np.subtract(ranks, 1, out=ranks), "fails on 5 ranks: ValueError"),
    ],
)
def test_a_metric_that_goes_wrong_only_on_ranks_that_come_is_said_to_be_wrong(monkeypatch, metric, said):
    monkeypatch.setitem(METRICS.own, "mine", metric)
    users = np.arange(len(RANKS))
    for ask in (lambda: metric_table(RANKS, users), lambda: metric_of_users(RANKS, users, "mine@5")):
        with pytest.raises(UsageError, match=said):
            ask()
    with pytest.raises(UsageError, match="metric 'mine'"):
        metric_intervals(RANKS, users)
