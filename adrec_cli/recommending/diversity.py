"""Lists with less of the same: maximal marginal relevance, and at most N items of a category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from adrec_cli.data.item_values import ItemValues
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.ranked import Ranked
from adrec_cli.recommending.options import Diversity, Wanted

if TYPE_CHECKING:
    import torch

_POOL: Final = 10
"""Candidates per item asked for; at least 100 are looked at."""
_LEAST_POOL: Final = 100


def diverse_lists(recommender: Recommender, histories: Histories, wanted: Wanted) -> tuple[list[Ranked], list[str]]:
    """Return what `Recommender.rank` does, with less of the same where that is wanted.

    Raises:
        InputError: the items have no column of that name.
        UsageError: as `Recommender.rank`.
    """

    def rank(some: Histories, count: int) -> tuple[list[Ranked], list[str]]:
        return recommender.rank(
            some, count, include_seen=wanted.include_seen, sampling=wanted.sampling, candidates=wanted.candidates,
            merging=wanted.merging,
        )  # fmt: skip

    if not wanted.diversity.asked:
        return rank(histories, wanted.k)
    rules = _Rules.of(recommender, wanted.diversity)
    everything = recommender.items.height
    pool = min(everything, max(_LEAST_POOL, _POOL * wanted.k))
    pools, sources = rank(histories, pool)
    lists = [rules.choose(best, wanted.k) for best in pools]
    for number, (best, chosen) in enumerate(zip(pools, lists, strict=True)):
        # A few values may have filled the pool.
        if len(chosen.items) < wanted.k and len(best.items) == pool < everything:
            (whole,), _ = rank(histories.some(number, number + 1), everything)
            lists[number] = rules.choose(whole, wanted.k)
    return lists, sources


@dataclass(frozen=True)
class _Rules:
    """A wanted diversity over a model's items: their vectors_VD, and how often each value of a column may come."""

    weight: float
    vectors_VD: torch.Tensor
    caps: tuple[tuple[ItemValues, int], ...]

    @classmethod
    def of(cls, recommender: Recommender, diversity: Diversity) -> _Rules:
        caps = tuple((recommender.values_of(column), most) for column, most in diversity.most)
        return cls(diversity.weight, recommender.scorer(Sampling()).vectors_VD, caps)

    def choose(self, pool: Ranked, k: int) -> Ranked:
        """Return k items of a pool, one after the other: the best by score and unlikeness that no cap forbids.

        Scores count by where they lie between the lowest and the highest of the pool, likeness is the largest cosine
        to an item that was chosen.

        Source: Carbonell, Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998.
        """
        scores = pool.scores.astype(np.float64)
        span = float(np.ptp(scores)) if len(scores) else 0.0
        relevance = (scores - scores.min(initial=np.inf)) / span if span else np.zeros(len(scores))
        directions_ND = self._directions(pool.items) if self.weight else None
        likeness = np.full(len(scores), -1.0)
        left = np.ones(len(scores), dtype=bool)
        caps = [_Cap(*values.of(pool.items), most) for values, most in self.caps]
        chosen: list[int] = []
        while len(chosen) < k and left.any():
            worth = (1 - self.weight) * relevance - self.weight * (likeness if chosen else 0.0)
            # Equal ones in the order of the scores, which the first of the largest is.
            best = int(np.argmax(np.where(left, worth, -np.inf)))
            chosen.append(best)
            left[best] = False
            for cap in caps:
                left[cap.take(best)] = False
            if directions_ND is not None:
                likeness = np.maximum(likeness, directions_ND @ directions_ND[best])
        return Ranked(items=pool.items[chosen], scores=pool.scores[chosen])

    def _directions(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        import torch

        vectors_ND = self.vectors_VD[torch.from_numpy(items).to(self.vectors_VD.device)]
        directions_ND: npt.NDArray[np.float32] = torch.nn.functional.normalize(vectors_ND, dim=1).cpu().numpy()
        return directions_ND


class _Cap:
    """How often each value has come among the chosen items of a pool."""

    def __init__(self, places: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], most: int) -> None:
        """Take values by place in the pool, as `ItemValues.of`, and how often each may come."""
        self._places, self._most = places, most
        values, self._numbers = np.unique(numbers, return_inverse=True)
        self._counts = np.zeros(len(values), dtype=np.int64)

    def take(self, place: int) -> npt.NDArray[np.int64]:
        """Count the values of an item; return the places of all items that may not come any longer."""
        own = self._numbers[slice(*np.searchsorted(self._places, [place, place + 1]))]
        self._counts[own] += 1
        if (self._counts[own] < self._most).all():
            return np.empty(0, dtype=np.int64)
        return self._places[(self._counts >= self._most)[self._numbers]]
