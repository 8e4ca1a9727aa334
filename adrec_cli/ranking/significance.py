"""Whether the difference of two models on the same users may be chance, for one pair and for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adrec_cli.ranking.bootstrap import Values, bootstrap_interval

PERMUTATIONS = 10_000

_HELD_AT_ONCE = 2**22
"""Signs held at once: 32 MB."""
_OFTEN = 64
"""Users with differences of the same size from which on one draw for all of them is cheaper than one for each."""
_EQUAL = 1e-12
"""Sums of the same differences in another order are equal to such a share of their size."""


def randomisation_test(differences: Values, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Return the two-sided p-value of a paired randomisation test of the mean difference.

    If it did not matter which model is which, each user's difference could as well have the other sign.

    Args:
        differences: one per user, paired.
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
    often = counts >= _OFTEN
    single = np.repeat(sizes[~often], counts[~often])
    rows = max(1, _HELD_AT_ONCE // (len(single) + int(often.sum())))
    as_large = 0
    for first in range(0, permutations, rows):
        count = min(rows, permutations - first)
        sums = _random_signs(random, count, len(single)) @ single
        sums += _sums_of_signs(random, count, counts[often]) @ sizes[often]
        as_large += int((np.abs(sums) >= threshold).sum())
    return (1 + as_large) / (1 + permutations)


def _random_signs(random: np.random.Generator, rows: int, columns: int) -> Values:
    """Draw 1 or -1 for each column of each row."""
    drawn = random.integers(0, 256, size=(rows, -(-columns // 8)), dtype=np.uint8)
    return 2 * np.unpackbits(drawn, axis=1, count=columns).astype(np.float64) - 1


def _sums_of_signs(random: np.random.Generator, rows: int, counts: npt.NDArray[np.int64]) -> Values:
    """Draw the sum of `counts` signs for each column of each row: the number of plus signs is binomial."""
    plus = random.binomial(counts, 0.5, size=(rows, len(counts)))
    return (2 * plus - counts).astype(np.float64)


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
        reference: one value per user.
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
