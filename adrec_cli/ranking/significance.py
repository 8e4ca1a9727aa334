"""Whether the difference of two models on the same users may be chance, for one pair and for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adrec_cli.ranking.bootstrap import Values, bootstrap_interval

PERMUTATIONS = 10_000

_HELD_AT_ONCE = 2**22
"""Counts of distinct differences held at once: 32 MB."""
_EQUAL = 1e-12
"""Sums of the same differences in another order are equal to such a share of their size."""


def randomisation_test(differences: Values, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Return the two-sided p-value of a paired randomisation test of the mean difference.

    If it did not matter which model is which, each user's difference could as well have the other sign. Users with
    differences of the same size are drawn together: how many of them get a plus is binomial.

    Args:
        differences: one a user, paired.
        permutations: drawn; the smallest p-value is 1 / (permutations + 1).
        seed: equal seeds give equal p-values.

    Source: Fisher 1935; Smucker, Allan, Carterette 2007, "A comparison of statistical significance tests for
    information retrieval evaluation".
    """
    sizes, counts = np.unique(np.abs(differences), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    if not len(sizes):
        return 1.0
    random = np.random.default_rng(seed)
    threshold = abs(float(differences.sum())) - _EQUAL * float(sizes @ counts)
    rows = max(1, _HELD_AT_ONCE // len(sizes))
    as_large = 0
    for first in range(0, permutations, rows):
        plus = random.binomial(counts, 0.5, size=(min(rows, permutations - first), len(counts)))
        as_large += int((np.abs((2 * plus - counts) @ sizes) >= threshold).sum())
    return (1 + as_large) / (1 + permutations)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are; below a level they keep the chance of any error below it.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    given = np.array(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(stepped, 1.0)
    found: list[float] = corrected.tolist()
    return found


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a model differs from another one on the same users.

    Attributes:
        value: mean difference; positive is better than the other one.
        low, high: its 95% interval, a paired bootstrap over users.
        p: of the randomisation test.
        p_holm: corrected for all models compared with that one.
    """

    value: float
    low: float
    high: float
    p: float
    p_holm: float


def differences_to(reference: Values, others: Sequence[Values], *, seed: int = 0) -> list[Difference]:
    """Return how each model differs from a reference.

    Args:
        reference: one value a user.
        others: of each model, the same users in the same order.
        seed: equal seeds give equal intervals and p-values.
    """
    paired = [values - reference for values in others]
    p_values = [randomisation_test(differences, seed=seed) for differences in paired]
    found = []
    for differences, p, p_holm in zip(paired, p_values, holm(p_values), strict=True):
        low, high = bootstrap_interval(differences, seed=seed)
        found.append(Difference(value=float(differences.mean()), low=low, high=high, p=p, p_holm=p_holm))
    return found
