"""Metrics of one held-out item, from its rank: per case first, the mean over users last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import UsageError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.wording import say_count

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
    """Raise unless something is a metric; it is tried on a few ranks, together and one by one.

    Raises:
        UsageError: as `compute_metric`, or it is not a function, or the value of a rank depends on the others.
    """
    if not callable(thing):
        raise UsageError(f"metric {name!r} is not a function", hint="give the function itself")
    ranks, k = np.array([1, 2, 7, 100], dtype=np.int64), 5
    together = _compute(name, thing, ranks, k)
    alone = np.concatenate([_compute(name, thing, ranks[at : at + 1], k) for at in range(len(ranks))])
    if not np.allclose(together, alone, rtol=1e-6, atol=0):
        raise UsageError(
            f"metric {name!r} gives a rank another value where other ranks stand beside it",
            hint="the value of a rank depends on that rank and k alone",
        )


def compute_metric(name: str, ranks: Ranks, k: int) -> Values:
    """Return a metric of each case.

    Args:
        name: of `METRICS`.
        ranks: 1 for the best, one per case.
        k: the k of "@k".

    Raises:
        UsageError: a metric that others have added fails, or has no finite value for each rank.
    """
    return _compute(name, METRICS[name], ranks, k)


def _compute(name: str, metric: Metric, ranks: Ranks, k: int) -> Values:
    # Other metrics are of the same ranks: none may change them.
    own = ranks.view()
    own.flags.writeable = False
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(metric(own, k), dtype=np.float64)
    except Exception as error:
        raise UsageError(
            f"metric {name!r} fails on {say_count(len(ranks), 'rank')}: {type(error).__name__}: {error}",
            hint="it takes (ranks, k), and leaves ranks as they are",
        ) from error
    if values.shape != ranks.shape:
        told = f"values of shape {values.shape} for {say_count(len(ranks), 'rank')}"
    elif not (finite := np.isfinite(values)).all():
        told = f"{values[~finite][0]} for rank {ranks[~finite][0]:,} at {k}"
    else:
        return values
    raise UsageError(
        f"metric {name!r} does not give one finite value for each rank: {told}", hint="the mean comes last"
    )


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


def metric_of_users(ranks: Ranks, users: npt.NDArray[np.int64], metric: str) -> Values:
    """Return one metric of each user, users in ascending order.

    Args:
        ranks, users: as `metric_table`.
        metric: such as "ndcg@10".
    """
    name, _, k = metric.partition("@")
    return ByUser(users).means(compute_metric(name, ranks, int(k)))


def metric_table(ranks: Ranks, users: npt.NDArray[np.int64], cutoffs: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Return every metric at every cut-off, as fractions: {"hr@5": ..., "ndcg@5": ..., "mrr@5": ..., ...}.

    Args:
        ranks: 1 for the best, one per case.
        users: whose case it is.
        cutoffs: the k of "@k".
    """
    by_user = ByUser(users)
    return {
        f"{name}@{k}": float(by_user.means(compute_metric(name, ranks, k)).mean()) for k in cutoffs for name in METRICS
    }
