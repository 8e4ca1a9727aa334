"""What lists of recommendations are like besides being right: coverage, concentration, novelty, popularity, diversity.

Lists are lists_BK: item indices, best first, 0 behind their end. Counts are indexed by item, 0 at padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.data.cell_values import split_values
from adrec_cli.schema import PAD

Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_CHUNK_ENTRIES = 2**22
"""Pairs of items compared at once."""


def count_recommended(lists_BK: Integers, item_count: int) -> Integers:
    """Return in how many of the lists each item is, padding (always 0) included."""
    counts: Integers = np.bincount(lists_BK.ravel(), minlength=item_count + 1)
    counts[PAD] = 0
    return counts


def coverage(recommended_V: Integers) -> float:
    """Return the share of the catalogue that is in at least one list.

    Args:
        recommended_V: as `count_recommended`.
    """
    return float((recommended_V[1:] > 0).mean())


def gini(recommended_V: Integers) -> float:
    """Return the Gini index of how often items are recommended: 0 if all equally, (V - 1) / V if always the same one.

    Args:
        recommended_V: as `count_recommended`; items that are never recommended count.
    """
    ascending = np.sort(recommended_V[1:]).astype(np.float64)
    total, items = float(ascending.sum()), len(ascending)
    if total == 0:
        return 0.0
    weights = 2.0 * np.arange(1, items + 1) - items - 1
    return float(weights @ ascending) / (items * total)


def self_information(train_counts_V: Integers) -> Values:
    """Return -log2 of each item's share of the train events, in bits; an item without one counts as if it had one.

    Source: Vargas and Castells 2011, "Rank and relevance in novelty and diversity metrics for recommender systems".
    """
    counts = np.maximum(train_counts_V, 1).astype(np.float64)
    return -np.log2(counts / max(1, int(train_counts_V[1:].sum())))


def list_means(lists_BK: Integers, values_V: Values | Integers) -> Values:
    """Return the mean value of the items of each list, not a number for an empty one.

    With `self_information` it is novelty, with train counts it is the popularity of what is recommended.
    """
    real_BK = lists_BK != PAD
    with np.errstate(invalid="ignore"):
        means: Values = np.where(real_BK, values_V[lists_BK], 0.0).sum(axis=1) / real_BK.sum(axis=1)
    return means


def history_means(items: npt.NDArray[np.int32], starts: Integers, ends: Integers, values_V: Integers) -> Values:
    """Return the mean value of the items of each history.

    Args:
        items: events of all users, one after the other.
        starts, ends: each history is items[start:end], never empty.
        values_V: by item index, such as train counts.
    """
    running = np.concatenate([[0], np.cumsum(values_V[items], dtype=np.int64)])
    means: Values = (running[ends] - running[starts]) / (ends - starts)
    return means


def category_codes(categories: pl.Series) -> Integers:
    """Return codes_VM of each item's categories, padding first: numbers from 1, 0 where an item has no more.

    Args:
        categories: one cell per item, in the order of item indices, as `split_values` takes; null where unknown.
    """
    names = split_values(categories).list.unique()
    lengths = names.list.len()
    owner = np.repeat(np.arange(1, len(names) + 1), lengths.to_numpy())
    codes = names.filter(lengths > 0).explode().rank("dense").to_numpy()
    within = np.arange(len(owner)) - np.searchsorted(owner, owner)
    codes_VM = np.zeros((len(names) + 1, int(within.max(initial=0)) + 1), dtype=np.int64)
    codes_VM[owner, within] = codes
    return codes_VM


def intra_list_diversity(lists_BK: Integers, codes_VM: Integers) -> Values:
    """Return the mean distance of two items of each list: one less what share of their categories they have in common.

    Pairs with an item without categories are left out; a list without any pair is not a number.

    Args:
        lists_BK: recommendations.
        codes_VM: as `category_codes`.

    Source: Ziegler et al. 2005, "Improving recommendation lists through topic diversification"; Jaccard distance.
    """
    width = lists_BK.shape[1]
    rows = max(1, _CHUNK_ENTRIES // (width * width))
    parts = [_diversity(codes_VM[lists_BK[begin : begin + rows]]) for begin in range(0, len(lists_BK), rows)]
    return np.concatenate([np.empty(0), *parts])


def _diversity(codes_BKM: Integers) -> Values:
    sizes_BK = (codes_BKM > 0).sum(axis=2)
    common_BKK = np.zeros((*sizes_BK.shape, sizes_BK.shape[1]), dtype=np.int64)
    for one in np.moveaxis(codes_BKM, 2, 0):
        for other in np.moveaxis(codes_BKM, 2, 0):
            common_BKK += (one[:, :, None] == other[:, None, :]) & (one[:, :, None] > 0)
    all_BKK = sizes_BK[:, :, None] + sizes_BK[:, None, :] - common_BKK
    known_BKK = (sizes_BK[:, :, None] > 0) & (sizes_BK[:, None, :] > 0) & ~np.eye(sizes_BK.shape[1], dtype=bool)
    distance_BKK = np.where(known_BKK, 1 - common_BKK / np.maximum(all_BKK, 1), 0.0)
    with np.errstate(invalid="ignore"):
        means: Values = distance_BKK.sum(axis=(1, 2)) / known_BKK.sum(axis=(1, 2))
    return means


class BeyondAccuracy:
    """Takes lists in batches and keeps of them only counts and one number a list and cut-off."""

    def __init__(
        self, train_counts_V: Integers, cases: int, cutoffs: Sequence[int], codes_VM: Integers | None = None
    ) -> None:
        """Begin.

        Args:
            train_counts_V: train events by item index, padding (0) first.
            cases: lists to come.
            cutoffs: the k of "@k".
            codes_VM: as `category_codes`; None where categories are unknown.
        """
        self._train_counts_V, self._codes_VM, self._cutoffs = train_counts_V, codes_VM, tuple(cutoffs)
        self._information_V = self_information(train_counts_V)
        self._recommended = {k: np.zeros(len(train_counts_V), dtype=np.int64) for k in cutoffs}
        names = ["novelty", "popularity", *(["diversity"] if codes_VM is not None else [])]
        self._of_cases = {f"{name}@{k}": np.zeros(cases) for k in cutoffs for name in names}

    def add(self, numbers: Integers, lists_BK: Integers) -> None:
        """Take the lists of some cases."""
        for k in self._cutoffs:
            lists = lists_BK[:, :k]
            self._recommended[k] += count_recommended(lists, len(self._train_counts_V) - 1)
            self._of_cases[f"novelty@{k}"][numbers] = list_means(lists, self._information_V)
            self._of_cases[f"popularity@{k}"][numbers] = list_means(lists, self._train_counts_V)
            if self._codes_VM is not None:
                self._of_cases[f"diversity@{k}"][numbers] = intra_list_diversity(lists, self._codes_VM)

    def combine(self, add_up: Callable[[Integers], Integers]) -> None:
        """Take in the lists that others have been given of the same cases, of which nobody else has been given any.

        Args:
            add_up: returns the sum of everybody's.
        """
        self._recommended = {k: add_up(counts) for k, counts in self._recommended.items()}
        # All but one have zeros where a case stands, so that the sum of the bits is the number itself.
        for name, values in self._of_cases.items():
            self._of_cases[name] = add_up(values.view(np.int64)).view(np.float64)

    def table(self, history_popularity: Values, target_counts: Integers) -> dict[str, float]:
        """Return every figure by name; one that no list has is left out.

        `popularity@k` is the mean train count of what is recommended, `popularity_lift@k` by which share it lies above
        that of the histories.

        Args:
            history_popularity: mean train count of each case's history.
            target_counts: train count of each case's target.

        Source: Abdollahpouri et al. 2020, "The connection between popularity bias, calibration, and fairness in
        recommendation", for the lift.
        """
        history = float(history_popularity.mean())
        found = {"history_popularity": history, "target_popularity": float(target_counts.mean())}
        for k in self._cutoffs:
            found |= {f"coverage@{k}": coverage(self._recommended[k]), f"gini@{k}": gini(self._recommended[k])}
        for name, values in self._of_cases.items():
            known = values[~np.isnan(values)]
            if not len(known):
                continue
            found[name] = float(known.mean())
            if name.startswith("popularity@") and history > 0:
                found[name.replace("@", "_lift@")] = found[name] / history - 1
        return found
