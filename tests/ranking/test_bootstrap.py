"""The paired interval: as wide as theory says, repeatable, and right as often as it claims."""

from __future__ import annotations

import numpy as np
import pytest

from adrec_cli.ranking import bootstrap
from adrec_cli.ranking.bootstrap import bootstrap_interval, per_user


def test_it_agrees_with_drawing_users_one_by_one():
    random = np.random.default_rng(1)
    differences = random.choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], size=500)
    drawn = differences[random.integers(500, size=(4000, 500))].mean(axis=1)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert bootstrap_interval(differences, resamples=4000) == pytest.approx(expected, abs=0.006)


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
