"""The paired interval: as wide as theory says, repeatable, and right as often as it claims."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.ranking import bootstrap
from adrec_cli.ranking.bootstrap import bootstrap_interval, bootstrap_intervals, metric_intervals, per_user
from adrec_cli.ranking.metrics import METRICS, metric_table
from tests.tiers import sampled


def test_it_agrees_with_drawing_users_one_by_one():
    random = np.random.default_rng(1)
    differences = random.choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], size=500)
    drawn = differences[random.integers(500, size=(4000, 500))].mean(axis=1)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert bootstrap_interval(differences, resamples=4000) == pytest.approx(expected, abs=0.006)


@pytest.mark.thorough
def test_it_is_as_wide_as_the_normal_approximation():
    differences = np.random.default_rng(2).normal(0.1, 1, size=4000)
    low, high = bootstrap_interval(differences, resamples=4000)
    half = 1.96 * differences.std() / np.sqrt(4000)
    assert (low, high) == pytest.approx((differences.mean() - half, differences.mean() + half), abs=half * 0.1)


def test_it_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(3)
    covered = 0
    for seed in range(300):
        low, high = bootstrap_interval(random.choice([-1.0, 0.0, 1.0], p=[0.2, 0.5, 0.3], size=200), seed=seed)
        covered += low <= 0.1 <= high
    assert 0.90 <= covered / 300 <= 0.985


def test_equal_seeds_give_equal_intervals_however_much_is_held(monkeypatch):
    differences = np.random.default_rng(4).normal(size=50)
    whole = bootstrap_interval(differences, seed=7)
    assert bootstrap_interval(differences, seed=7) == whole
    assert bootstrap_interval(differences, seed=8) != whole
    monkeypatch.setattr(bootstrap, "_HELD_AT_ONCE", 120)
    assert bootstrap_interval(differences, seed=7) == pytest.approx(whole, abs=1e-12)


def test_without_any_difference_there_is_no_width():
    assert bootstrap_interval(np.zeros(10)) == (0.0, 0.0)


def test_each_user_counts_once():
    values, users = np.array([1.0, 0.0, 1.0]), np.array([4, 4, 2])
    assert per_user(values, users).tolist() == [1.0, 0.5]


def test_several_columns_share_their_resamples():
    random = np.random.default_rng(6)
    values = random.choice([0.0, 0.25, 1.0], size=(300, 3))
    found = bootstrap_intervals(values, resamples=500, seed=2)
    drawn = values[random.integers(300, size=(4000, 300))].mean(axis=1)
    assert found == pytest.approx(np.quantile(drawn, [0.025, 0.975], axis=0).T, abs=0.02)
    # A column that is the sum of two others has resampled means that are, too.
    summed = np.column_stack([values[:, 0], values[:, 0] * 2])
    one, two = bootstrap_intervals(summed, seed=2)
    assert two == pytest.approx(one * 2)


def test_rows_may_stand_for_several_users():
    counts = np.array([60, 40])
    found = bootstrap_intervals(np.array([[0.0], [1.0]]), counts, seed=3)
    assert found == pytest.approx(bootstrap_intervals(np.repeat([[0.0], [1.0]], counts, axis=0), seed=3))


def test_intervals_of_metrics_are_the_same_by_rank_and_by_user():
    ranks = np.random.default_rng(8).integers(1, 120, size=400)
    users = np.arange(400)
    found, table = metric_intervals(ranks, users, (5, 10)), metric_table(ranks, users, (5, 10))
    assert list(found) == list(table)
    for name, (low, high) in found.items():
        assert low < table[name] < high
        metric, _, k = name.partition("@")
        values = METRICS[metric](ranks, int(k))
        half = 1.96 * values.std() / 20
        assert (low, high) == pytest.approx((table[name] - half, table[name] + half), abs=0.3 * half)
    # Two users of the same case each: half as many, so intervals are wider by the square root of two.
    twice = metric_intervals(np.repeat(ranks[:200], 2), np.repeat(users[:200], 2), (10,))["hr@10"]
    once = metric_intervals(ranks[:200], users[:200], (10,))["hr@10"]
    assert twice == pytest.approx(once, abs=0.01)


def test_intervals_of_metrics_follow_their_seed():
    ranks, users = np.random.default_rng(8).integers(1, 120, size=400), np.arange(400)
    found = metric_intervals(ranks, users, (10,), seed=3)
    assert metric_intervals(ranks, users, (10,), seed=3) == found
    assert metric_intervals(ranks, users, (10,), seed=4) != found


@given(
    ranks=st.lists(st.integers(1, 400), min_size=2, max_size=60), alone=st.booleans(), looks_far=st.booleans(),
)  # fmt: skip
def test_intervals_are_those_of_the_values_of_users_however_far_a_metric_looks(ranks, alone, looks_far):
    """An interval of other values than those a figure is the mean of would not hold it."""
    with pytest.MonkeyPatch.context() as patch:
        if looks_far:
            patch.setitem(METRICS.own, "whole", lambda ranks, k: 1.0 - ranks / 1000)
        users = np.arange(len(ranks)) if alone else np.arange(len(ranks)) // 2
        found, table = metric_intervals(np.array(ranks), users, (5,)), metric_table(np.array(ranks), users, (5,))
    assert list(found) == list(table)
    for name, (low, high) in found.items():
        assert low - 1e-9 <= table[name] <= high + 1e-9


@sampled("metric,truth", [("hr@10", 0.1), ("ndcg@10", None), ("mrr@5", None)], quick=[("hr@10", 0.1)])
def test_intervals_of_metrics_cover_the_truth(metric, truth):
    """Ranks of a random scorer among 100; 300 trials of 400 users, so that 3.5 standard errors are 0.044."""
    random = np.random.default_rng(9)
    ranks = np.arange(1, 101)
    expected = metric_table(ranks, ranks)[metric] if truth is None else truth
    covered = 0
    for seed in range(300):
        drawn = random.integers(1, 101, size=400)
        low, high = metric_intervals(drawn, np.arange(400), (int(metric.partition("@")[2]),), seed=seed)[metric]
        covered += low <= expected <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.05)


def test_what_is_reported_as_95_percent_is_of_two_thousand_resamples():
    """More or fewer would give other bounds for the same models."""
    differences = np.random.default_rng(5).normal(size=50)
    said = bootstrap_interval(differences, level=0.95, resamples=2000, seed=1)
    assert bootstrap_interval(differences, seed=1) == said
    assert bootstrap_interval(differences, resamples=2001, seed=1) != said
