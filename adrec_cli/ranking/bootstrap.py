"""Bootstrap over users: how far a metric, or the difference of two models on the same users, may be luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.ranking.metrics import CUTOFFS, METRICS, ByUser, Ranks, compute_metric

Values = npt.NDArray[np.float64]

LEVEL, RESAMPLES = 0.95, 2000

_HELD_AT_ONCE = 2**22
"""Counts of distinct values held at once: 32 MB."""


def per_user(values: Values, users: npt.NDArray[np.int64]) -> Values:
    """Average the values of each user's cases, users in ascending order of their rows."""
    return ByUser(users).means(values)


def bootstrap_interval(
    differences: Values, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the mean of one value per user, such as paired differences.

    Arguments as `bootstrap_intervals`.
    """
    ((low, high),) = bootstrap_intervals(differences[:, None], level=level, resamples=resamples, seed=seed).tolist()
    return low, high


def metric_intervals(
    ranks: Ranks, users: npt.NDArray[np.int64], cutoffs: Sequence[int] = CUTOFFS, *, seed: int = 0
) -> dict[str, list[float]]:
    """Return the 95% interval of every metric at every cut-off, by name: [lower, upper].

    Args:
        ranks, users, cutoffs: as `metric_table`.
        seed: equal seeds give equal intervals.
    """
    by_user, counts = ByUser(users), None
    if len(by_user) == len(users):
        # With one case per user few different users are left.
        ranks, counts = np.unique(ranks, return_counts=True)
        by_user = ByUser(np.arange(len(ranks)))
    names, columns = [], []
    for k in cutoffs:
        for name in METRICS:
            names.append(f"{name}@{k}")
            columns.append(by_user.means(compute_metric(name, ranks, k)))
    values_UM = np.column_stack(columns)
    if counts is not None:
        values_UM, counts = _join_equal_neighbours(values_UM, counts)
    bounds = bootstrap_intervals(values_UM, counts, seed=seed)
    return dict(zip(names, bounds.tolist(), strict=True))


def _join_equal_neighbours(values_RM: Values, counts: npt.NDArray[np.int64]) -> tuple[Values, npt.NDArray[np.int64]]:
    """Return a row for each run of equal ones, as ranks behind all cut-offs mostly are, and how often each comes."""
    begins = np.flatnonzero(np.append(True, (values_RM[1:] != values_RM[:-1]).any(axis=1)))
    return values_RM[begins], np.add.reduceat(counts, begins)


def bootstrap_intervals(
    values_UM: Values,
    counts: npt.NDArray[np.int64] | None = None,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Values:
    """Return the percentile intervals of the means of several values a user, all from the same resamples.

    Metrics of one held-out item take few values, so a resample of n users is drawn as how often each distinct row
    comes, which has the same distribution as drawing users one by one and costs far less.

    Args:
        values_UM: one row per user, one column per metric.
        counts: how many users each row stands for; None for one.
        level: of the intervals.
        resamples: drawn.
        seed: equal seeds give equal intervals.

    Returns:
        (metrics, 2): lower and upper bounds.

    Source: Efron and Tibshirani 1993, ch. 13; Sakai 2006 for ranking metrics.
    """
    distinct_RM, counts = _distinct_rows(values_UM) if counts is None else (values_UM, counts)
    random = np.random.default_rng(seed)
    total = int(counts.sum())
    rows = max(1, _HELD_AT_ONCE // len(distinct_RM))
    means = np.concatenate(
        [
            random.multinomial(total, counts / total, size=min(rows, resamples - first)) @ distinct_RM / total
            for first in range(0, resamples, rows)
        ]
    )
    bounds: Values = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return bounds


def _distinct_rows(values_UM: Values) -> tuple[Values, npt.NDArray[np.int64]]:
    """Return the distinct rows in ascending order, and how often each comes."""
    columns = [f"{column}" for column in range(values_UM.shape[1])]
    table = pl.from_numpy(values_UM, schema=columns).group_by(columns).len().sort(columns)
    return table.select(columns).to_numpy(), table["len"].to_numpy().astype(np.int64)
