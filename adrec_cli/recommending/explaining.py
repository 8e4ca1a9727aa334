"""Why an item is in a list: how much its score owes to each item of the history, and what it shares with these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.item_values import ItemValues
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import SINGLE, Merging
from adrec_cli.schema import BRAND, CATEGORY, ITEM_ID, TITLE

MOST_INFLUENCES: Final = 3
_SHARED_COLUMNS: Final = (CATEGORY, BRAND)
_LEAST_LENGTH: Final = 1e-12
"""Of a vector, so that one of zeros has no direction rather than none that is a number."""


@dataclass(frozen=True, kw_only=True)
class Influence:
    """An item of the history and what it does to a score.

    Attributes:
        item_id, title: of the item; title where it is known.
        position: in the history, from 1, the oldest.
        influence: the score less what it would be without this item: how much the item raises it.
        cosine: of its vector and that of the recommended item, -1 to 1.
        shared: values of category and brand that both have.
    """

    item_id: str
    title: str | None
    position: int
    influence: float
    cosine: float
    shared: list[str]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What moved the score of a recommended item; influence on a score, not a reason in the world.

    Attributes:
        item_id: of the recommended item.
        influences: the items of the history that moved its score most, strongest first.
        nearest: ids of the items of the catalogue whose vectors are most like its own, most alike first.
    """

    item_id: str
    influences: list[Influence]
    nearest: list[str]


def explain(
    recommender: Recommender,
    history: npt.NDArray[np.int32],
    items: npt.NDArray[np.int64],
    *,
    seconds: npt.NDArray[np.int64] | None = None,
    sampling: Sampling,
    merging: Merging = SINGLE,
) -> list[Explanation]:
    """Return what moved the score of each item: the history is ranked again without each of its items.

    Of a history that is longer than the model reads, what it reads is looked at. Where a model draws noise, all these
    histories have the same, or chance would pass for influence. A history of one item has nothing to be compared with,
    so that nothing is said of its influence.

    Args:
        recommender: opened.
        history: in the model's numbers, oldest first.
        items: recommended.
        seconds: when each of the history was, for a model that reads it.
        sampling, merging: as they were recommended with.
    """
    first = max(0, len(history) - recommender.model.max_length)
    used = history[first:].astype(np.int64)
    used_seconds = None if seconds is None else seconds[first:]
    moved_IL = np.zeros((len(items), 0))
    if len(used) > 1:
        moved_IL = _measure_moves(recommender, used, used_seconds, items, sampling, merging)
    known = _Known.of(recommender)
    return [
        Explanation(
            item_id=known.ids[item - 1],
            influences=[
                known.influence(
                    int(used[place]), item, position=first + int(place) + 1, moved=float(moved_L[place]),
                    cosine=float(cosines_V[int(used[place])]),
                )
                for place in np.argsort(-np.abs(moved_L), kind="stable")[:MOST_INFLUENCES]
            ],
            nearest=known.ids.gather(_find_nearest(cosines_V, item) - 1).to_list(),
        )
        for item, moved_L, cosines_V in zip(items.tolist(), moved_IL, _measure_cosines(recommender, items), strict=True)
    ]  # fmt: skip


def _measure_moves(
    recommender: Recommender,
    used: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64] | None,
    items: npt.NDArray[np.int64],
    sampling: Sampling,
    merging: Merging,
) -> npt.NDArray[np.float64]:
    """Return by how much each token of a history raises the score of each item, (items, tokens)."""
    if sampling.noise == "seeded":
        sampling = dataclasses.replace(sampling, noise="common")
    scorer = recommender.scorer(sampling, merging)
    count = len(used)
    ends = np.cumsum([count, *([count - 1] * count)])
    together = Histories(
        items=_leave_each_out(used).astype(np.int32),
        starts=np.concatenate([[0], ends[:-1]]),
        ends=ends,
        seconds=None if seconds is None else _leave_each_out(seconds),
    )
    import torch

    from adrec_cli.ranking.scores import mean_sample, scores_of

    asked = torch.from_numpy(items).to(recommender.device)
    scores_HI = np.zeros((count + 1, len(items)))
    for cases, samples, bias in scorer.represent(together, together.starts, together.ends):
        wanted = asked.expand(len(cases), -1)
        scores_HI[cases] = scores_of(mean_sample(samples), scorer.vectors_VD, wanted, bias).cpu().numpy()
    moved: npt.NDArray[np.float64] = (scores_HI[0] - scores_HI[1:]).T
    return moved


def _leave_each_out(values_L: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return values, then the same without each of them."""
    return np.concatenate([values_L, *(np.delete(values_L, place) for place in range(len(values_L)))])


def _measure_cosines(recommender: Recommender, items: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield for each item the cosines of its vector and those of all items and padding."""
    vectors_VD = recommender.scorer(Sampling()).vectors_VD
    lengths_V = recommender.lengths_V.clamp(min=_LEAST_LENGTH)
    for item in items.tolist():
        yield (vectors_VD @ (vectors_VD[item] / lengths_V[item]) / lengths_V).cpu().numpy()


def _find_nearest(cosines_V: npt.NDArray[np.float32], item: int) -> npt.NDArray[np.int64]:
    """Return the items whose cosines are largest, other than the item itself; equal ones in ascending index."""
    others_V = cosines_V.copy()
    others_V[[0, item]] = -np.inf
    count = min(MOST_INFLUENCES, len(others_V) - 2)
    if not count:
        return np.empty(0, dtype=np.int64)
    near = np.flatnonzero(others_V >= np.partition(others_V, -count)[-count])
    nearest: npt.NDArray[np.int64] = near[np.argsort(-others_V[near], kind="stable")[:count]]
    return nearest


@dataclass(frozen=True)
class _Known:
    """Ids, titles and attributes of a model's items."""

    ids: pl.Series
    titles: pl.Series | None
    attributes: tuple[ItemValues, ...]

    @classmethod
    def of(cls, recommender: Recommender) -> _Known:
        items = recommender.items
        columns = [column for column in _SHARED_COLUMNS if column in items.columns]
        titles = items.get_column(TITLE, default=None)
        return cls(items[ITEM_ID], titles, tuple(recommender.values_of(column) for column in columns))

    def influence(self, of: int, on: int, *, position: int, moved: float, cosine: float) -> Influence:
        shared = [value for values in self.attributes for value in values.names_of(of) if value in values.names_of(on)]
        return Influence(
            item_id=self.ids[of - 1],
            title=None if self.titles is None else self.titles[of - 1],
            position=position,
            influence=moved,
            cosine=cosine,
            shared=list(dict.fromkeys(shared)),
        )
