"""Metrics of one held-out item, from its rank: per case first, the mean over users last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import UsageError
from adrec_cli.extending.open_set import OpenSet

CUTOFFS = (5, 10, 20, 50)

Ranks = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def hit_rate(ranks: Ranks, k: int) -> Values:
    """Return 1 where the target is among the first k, else 0. With one target it equals Recall@k."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: Ranks, k: int) -> Values:
    """Return 1 / log2(1 + rank) where the target is among the first k, else 0.

    Source: Järvelin and Kekäläinen 2002; with one relevant item the ideal DCG is 1.
    """
    return np.where(ranks <= k, 1 / np.log2(1.0 + ranks), 0.0)


def reciprocal_rank(ranks: Ranks, k: int) -> Values:
    """Return 1 / rank where the target is among the first k, else 0."""
    return np.where(ranks <= k, 1 / ranks, 0.0)


Metric = Callable[[Ranks, int], Values]
"""(ranks, k) -> one value per case, greater for what is better."""

METRICS: OpenSet[Metric] = OpenSet(
    "metric", {"hr": hit_rate, "ndcg": ndcg, "mrr": reciprocal_rank}, group="adrec.metrics",
    require="adrec_cli.ranking.metrics:require_metric",
)  # fmt: skip


def require_metric(name: str, thing: object) -> None:
    """Raise unless something is a metric; it is tried on a few ranks.

    Raises:
        UsageError: it is not a function of this kind, or has no finite value for each case.
    """
    if not callable(thing):
        raise UsageError(f"metric {name!r} is not a function", hint="give the function itself")
    ranks = np.array([1, 2, 7, 100], dtype=np.int64)
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(thing(ranks, 5), dtype=np.float64)
        right = values.shape == ranks.shape and bool(np.isfinite(values).all())
    except Exception as error:
        raise UsageError(
            f"metric {name!r} fails on four ranks: {type(error).__name__}: {error}", hint="it takes (ranks, k)"
        ) from error
    if not right:
        raise UsageError(f"metric {name!r} does not give one finite value for each rank", hint="the mean comes last")


def metric_names() -> list[str]:
    """Return the names of all metrics at all cut-offs, such as "ndcg@10"."""
    return [f"{name}@{k}" for k in CUTOFFS for name in METRICS]


class ByUser:
    """Cases grouped by user once, to average several values over."""

    def __init__(self, users: npt.NDArray[np.int64]) -> None:
        """Group cases.

        Args:
            users: whose case each is.
        """
        _, self._inverse, self._counts = np.unique(users, return_inverse=True, return_counts=True)

    def __len__(self) -> int:
        return len(self._counts)

    def means(self, values: Values) -> Values:
        """Average the values of each user's cases, users in ascending order."""
        means: Values = np.bincount(self._inverse, weights=values) / self._counts
        return means


def mean_over_users(values: Values, users: npt.NDArray[np.int64]) -> float:
    """Average over the cases of each user first, then over users; each user counts once.

    Args:
        values: one per case.
        users: whose case it is.
    """
    return float(ByUser(users).means(values).mean())


def metric_of_users(ranks: Ranks, users: npt.NDArray[np.int64], metric: str) -> Values:
    """Return one metric of each user, users in ascending order.

    Args:
        ranks, users: as `metric_table`.
        metric: such as "ndcg@10".
    """
    name, _, k = metric.partition("@")
    return ByUser(users).means(METRICS[name](ranks, int(k)))


def metric_table(ranks: Ranks, users: npt.NDArray[np.int64], cutoffs: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Return every metric at every cut-off, as fractions: {"hr@5": ..., "ndcg@5": ..., "mrr@5": ..., ...}.

    Args:
        ranks: 1 for the best, one per case.
        users: whose case it is.
        cutoffs: the k of "@k".
    """
    by_user = ByUser(users)
    return {
        f"{name}@{k}": float(by_user.means(metric(ranks, k)).mean())
        for k in cutoffs
        for name, metric in METRICS.items()
    }
