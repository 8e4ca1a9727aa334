"""The randomisation test against every permutation, how often it errs, and Holm by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from adrec_cli.ranking import significance
from adrec_cli.ranking.bootstrap import bootstrap_interval
from adrec_cli.ranking.significance import differences_to, holm, randomisation_test


def test_it_agrees_with_all_permutations():
    differences = np.array([0.5, 0.5, -0.25, 1.0, 0.0, 0.125, 0.5, -0.5, 1.0])
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    exact = (np.abs(signs @ differences) >= abs(differences.sum())).mean()
    assert randomisation_test(differences, permutations=40_000) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("tenths", [[8, 4, 1], [0, 3, -5, 2, 5], [7, -2, -4, -1], [8, 9, -4], [8, 8, -6, -7, -7]])
def test_equal_sums_are_equal_though_their_roundings_are_not(tenths):
    """.1 + .2 + .3 is not .3 + .2 + .1 in floating point; counted exactly in whole tenths, as here, it is."""
    whole = np.array(tenths)
    signs = np.array(list(itertools.product([-1, 1], repeat=len(whole))))
    exact = (np.abs(signs @ whole) >= abs(whole.sum())).mean()
    for order in itertools.islice(itertools.permutations(range(len(whole))), 8):
        differences = whole[list(order)] / 10
        assert randomisation_test(differences, permutations=20_000) == pytest.approx(exact, abs=0.015)


def test_differences_are_those_of_their_parts():
    random = np.random.default_rng(11)
    reference, others = random.random(80), [random.random(80) + shift for shift in (0.0, 0.1, 0.3)]
    found = differences_to(reference, others, seed=5)
    p_values = [randomisation_test(values - reference, seed=5) for values in others]
    assert [one.p for one in found] == p_values
    assert [one.p_holm for one in found] == holm(p_values)
    assert [(one.low, one.high) for one in found] == [bootstrap_interval(v - reference, seed=5) for v in others]
    assert [one.value for one in found] == [float((values - reference).mean()) for values in others]
    assert [one.low for one in differences_to(reference, others, seed=6)] != [one.low for one in found]


def test_many_users_with_the_same_difference_are_drawn_at_once():
    differences = np.repeat([1.0, -1.0, 0.25, 0.0], [70, 50, 30, 500])
    sizes, counts = np.array([1.0, 0.25]), np.array([120, 30])
    plus = np.random.default_rng(1).binomial(counts, 0.5, size=(200_000, 2))
    expected = (np.abs((2 * plus - counts) @ sizes) >= differences.sum()).mean()
    assert randomisation_test(differences, permutations=40_000) == pytest.approx(expected, abs=0.006)


def test_where_nothing_differs_and_where_everything_does():
    assert randomisation_test(np.zeros(10)) == 1.0
    assert randomisation_test(np.ones(2000), permutations=99) == 1 / 100
    assert randomisation_test(np.array([1.0, -1.0])) == 1.0


def test_a_side_does_not_matter_and_seeds_repeat(monkeypatch):
    differences = np.random.default_rng(0).normal(0.2, 1, size=60)
    whole = randomisation_test(differences, seed=3)
    assert randomisation_test(-differences, seed=3) == whole
    assert randomisation_test(differences, seed=4) != whole
    monkeypatch.setattr(significance, "_HELD_AT_ONCE", 200)
    assert randomisation_test(differences, seed=3) == pytest.approx(whole, abs=0.02)


def test_without_a_difference_it_errs_as_often_as_its_level_says():
    """Two equal models: p-values are uniform; 3.5 standard errors of 600 trials at 5% are 0.031, at 50% 0.071."""
    random = np.random.default_rng(5)
    of_gains, of_hits = [], []
    for seed in range(600):
        gains = random.normal(size=60) * random.random(60)
        of_gains.append(randomisation_test(gains, permutations=400, seed=seed))
        hits = random.choice([-1.0, 0.0, 1.0], p=[0.2, 0.6, 0.2], size=120)
        of_hits.append(randomisation_test(hits, permutations=400, seed=seed))
    assert np.mean(np.array(of_gains) <= 0.05) == pytest.approx(0.05, abs=0.031)
    assert np.mean(np.array(of_gains) <= 0.5) == pytest.approx(0.5, abs=0.071)
    # Sums of hits are whole numbers, and equal ones count against a difference.
    assert 0 < np.mean(np.array(of_hits) <= 0.05) <= 0.05 + 0.031


def test_a_real_difference_is_found():
    random = np.random.default_rng(6)
    found = [
        randomisation_test(random.normal(0.3, 1, size=150), permutations=400, seed=seed) <= 0.05 for seed in range(100)
    ]
    # The power of the t-test here is 96%.
    assert np.mean(found) > 0.85


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    # Equal ones stay equal, and none falls below one that was smaller before.
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])


def test_holm_keeps_the_chance_of_any_error():
    """Of five comparisons without a difference any rejection is an error; 3.5 standard errors of 4000 are 0.012."""
    random = np.random.default_rng(7)
    errors = [min(holm(random.random(5).tolist())) <= 0.05 for _ in range(4000)]
    assert np.mean(errors) == pytest.approx(0.05, abs=0.012)
    uncorrected = [random.random(5).min() <= 0.05 for _ in range(4000)]
    assert np.mean(uncorrected) > 0.2
