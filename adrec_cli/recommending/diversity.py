"""Lists with less of the same: maximal marginal relevance, and at most N items of a category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from adrec_cli.data.cell_values import split_values
from adrec_cli.errors import InputError, UsageError
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.base import Sampling
from adrec_cli.ranking.merging import SINGLE, Merging
from adrec_cli.ranking.scores import Ranked
from adrec_cli.wording import option

_POOL: Final = 10
"""Candidates per item asked for; at least 100 are looked at."""
_LEAST_POOL: Final = 100


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """What lists are to have besides high scores.

    Attributes:
        weight: of unlikeness against the score, in [0, 1); 0 leaves lists as they are.
        most: by column of the items, of how many items of one value a list may have at most.
    """

    weight: float = 0.0
    most: tuple[tuple[str, int], ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if not 0 <= self.weight < 1:
            raise UsageError(f"{option('diversify')} must be in [0, 1), got {self.weight}")
        for column, count in self.most:
            if count < 1:
                raise UsageError(
                    f"{option('max_per')} {column}={count}: at least 1 of each", hint="for example category=3"
                )

    @classmethod
    def parse(cls, weight: float, most: Sequence[str]) -> Diversity:
        """Read `category=3`.

        Raises:
            UsageError: not of this form, or out of bounds.
        """
        pairs = []
        for text in most:
            column, sign, count = text.rpartition("=")
            if not sign or not column or not count.isdecimal():
                raise UsageError(f"{option('max_per')} {text!r} is no COLUMN=N", hint="for example category=3")
            pairs.append((column, int(count)))
        return cls(weight=weight, most=tuple(pairs))

    @property
    def asked(self) -> bool:
        """Whether lists are to be other than the best scores."""
        return bool(self.weight or self.most)


AS_SCORED: Final = Diversity()
"""The best scores, whatever they are of."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a recommender, for all histories alike.

    Attributes:
        k, include_seen, sampling, merging, candidates: as `Recommender.rank`.
        diversity: of the lists.
    """

    k: int
    include_seen: bool
    sampling: Sampling
    merging: Merging = SINGLE
    candidates: npt.NDArray[np.int64] | None = None
    diversity: Diversity = AS_SCORED


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
    """A wanted diversity over a model's items: directions_VD of their vectors, and the values of capped columns."""

    weight: float
    directions_VD: npt.NDArray[np.float32]
    caps: tuple[tuple[list[list[str]], int], ...]

    @classmethod
    def of(cls, recommender: Recommender, diversity: Diversity) -> _Rules:
        vectors_VD = recommender.scorer(Sampling()).vectors_VD.cpu()
        directions_VD = torch.nn.functional.normalize(vectors_VD, dim=1).numpy()
        caps = tuple((values_of(recommender.items, column), most) for column, most in diversity.most)
        return cls(diversity.weight, directions_VD, caps)

    def choose(self, pool: Ranked, k: int) -> Ranked:
        """Return k items of a pool, one after the other: the best by score and unlikeness that no cap forbids.

        Scores count by where they lie between the lowest and the highest of the pool, likeness is the largest cosine
        to an item that was chosen.

        Source: Carbonell, Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998.
        """
        scores = pool.scores.astype(np.float64)
        span = float(np.ptp(scores)) if len(scores) else 0.0
        relevance = (scores - scores.min(initial=np.inf)) / span if span else np.zeros(len(scores))
        likeness = np.full(len(scores), -1.0)
        left = np.ones(len(scores), dtype=bool)
        counts: list[dict[str, int]] = [{} for _ in self.caps]
        chosen: list[int] = []
        while len(chosen) < k and left.any():
            worth = (1 - self.weight) * relevance - self.weight * (likeness if chosen else 0.0)
            # Equal ones in the order of the scores, which the first of the largest is.
            best = int(np.argmax(np.where(left, worth, -np.inf)))
            left[best] = False
            if not self._allow(int(pool.items[best]), counts):
                continue
            chosen.append(best)
            if self.weight:
                cosines = self.directions_VD[pool.items] @ self.directions_VD[pool.items[best]]
                likeness = np.maximum(likeness, cosines)
        return Ranked(items=pool.items[chosen], scores=pool.scores[chosen])

    def _allow(self, item: int, counts: list[dict[str, int]]) -> bool:
        """Count an item, unless a value of it has come as often as it may."""
        of_item = [values[item - 1] for values, _ in self.caps]
        pairs = list(zip(of_item, self.caps, counts, strict=True))
        if any(count.get(value, 0) >= most for values, (_, most), count in pairs for value in values):
            return False
        for values, _, count in pairs:
            for value in values:
                count[value] = count.get(value, 0) + 1
        return True


def values_of(items: pl.DataFrame, column: str) -> list[list[str]]:
    """Return the values of each item in a column, which "|" separates; none where nothing is said.

    Raises:
        InputError: there is no such column.
    """
    if column not in items.columns:
        raise InputError(f"items have no column {column!r}", hint=f"they have: {', '.join(map(repr, items.columns))}")
    values: list[list[str]] = split_values(items[column]).to_list()
    return values
