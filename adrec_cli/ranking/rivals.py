"""Whom the target of each case competes with: the whole catalogue, or some items of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adrec_cli.data.sequences import Sequences
from adrec_cli.errors import InputError
from adrec_cli.ranking.protocols import Cases


@dataclass(frozen=True, kw_only=True, eq=False)
class Rivals:
    """Whom the target of each case competes with.

    Attributes:
        negatives: (cases, n) item indices, counted as often as they were drawn; None for the whole catalogue.
        mask_seen: items of the history do not compete; of the whole catalogue only.
    """

    negatives: npt.NDArray[np.int64] | None = None
    mask_seen: bool = False

    @property
    def count(self) -> int:
        """How many negatives each target has; 0 for the whole catalogue, as in `Protocol`."""
        return 0 if self.negatives is None else self.negatives.shape[1]

    def first(self, cases: int) -> Rivals:
        """Return those of the first cases."""
        return self if self.negatives is None else Rivals(negatives=self.negatives[:cases], mask_seen=self.mask_seen)

    def masked(self, sequences: Sequences, cases: Cases, numbers: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Return the items of the whole catalogue that do not compete in some cases; no list where all do.

        The target always does.
        """
        if not self.mask_seen:
            return []
        targets = cases.targets[numbers].tolist()
        histories = (sequences.items[cases.starts[n] : cases.ends[n]].astype(np.int64) for n in numbers)
        return [history[history != target] for history, target in zip(histories, targets, strict=True)]


EVERYTHING = Rivals()
"""The whole catalogue."""


def cold_rivals(cases: Cases, train_counts: npt.NDArray[np.int64]) -> Rivals:
    """Return those of targets that compete with the items alone that never occur in train.

    Args:
        cases: whose targets are such items.
        train_counts: train events of each item, from index 1 on.
    """
    cold = np.flatnonzero(train_counts == 0) + 1
    return Rivals(negatives=np.broadcast_to(cold, (len(cases), len(cold))))


def draw_negatives(sequences: Sequences, cases: Cases, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw negatives uniformly, with replacement, from items the user never interacted with, as ReChorus does.

    Args:
        sequences: of the dataset.
        cases: to draw for.
        count: of negatives a case.
        seed: equal seeds give equal negatives.

    Returns:
        negatives (cases, count), item indices.

    Raises:
        InputError: a user has interacted with every item.
    """
    item_count = sequences.item_count
    owner = np.repeat(np.arange(sequences.users), sequences.lengths)
    seen = np.unique(owner * (item_count + 1) + sequences.items)
    per_user = np.bincount(seen // (item_count + 1), minlength=sequences.users)
    if (per_user[cases.users] >= item_count).any():
        raise InputError("no negatives can be drawn for a user who has interacted with every item")
    random = np.random.default_rng(seed)
    drawn = random.integers(1, item_count + 1, size=(len(cases), count))
    while True:
        keys = cases.users[:, None] * (item_count + 1) + drawn
        rows, columns = np.nonzero(np.isin(keys, seen, kind=None))
        if not len(rows):
            return drawn
        drawn[rows, columns] = random.integers(1, item_count + 1, size=len(rows))


def candidate_counts(sequences: Sequences, cases: Cases, rivals: Rivals = EVERYTHING) -> npt.NDArray[np.int64]:
    """Return how many items each target is ranked among, itself included; it does not compete with itself.

    Args:
        sequences: of the dataset.
        cases: ranked.
        rivals: whom each target competes with.
    """
    if rivals.negatives is not None:
        competing: npt.NDArray[np.int64] = (rivals.negatives != cases.targets[:, None]).sum(axis=1)
        return competing + 1
    masked = rivals.masked(sequences, cases, np.arange(len(cases)))
    counts = np.full(len(cases), sequences.item_count, dtype=np.int64)
    counts[: len(masked)] -= np.array([len(np.unique(items)) for items in masked], dtype=np.int64)
    return counts
