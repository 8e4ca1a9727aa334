"""The items the target of each case competes with: the whole catalogue, or some items of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from adrec_cli.errors import InputError
from adrec_cli.ranking.protocols import Cases

if TYPE_CHECKING:
    from adrec_cli.data.sequences import Sequences


@dataclass(frozen=True, kw_only=True, eq=False)
class Rivals:
    """The items the target of each case competes with.

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

    def mask(self, sequences: Sequences, cases: Cases, numbers: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
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
_KEYS_AT_ONCE = 2**20
"""Drawn negatives that are looked up at once, 8 MB of them."""


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
    width = sequences.item_count + 1
    seen = _seen_keys(sequences, np.unique(cases.users))
    per_user = np.bincount(seen // width, minlength=sequences.users)
    if (per_user[cases.users] >= sequences.item_count).any():
        raise InputError("no negatives can be drawn for a user who has interacted with every item")
    random = np.random.default_rng(seed)
    drawn = random.integers(1, width, size=(len(cases), count))
    flat, step = drawn.reshape(-1), max(1, _KEYS_AT_ONCE // max(count, 1)) * count
    again = np.arange(0)
    for begin in range(0, len(flat), max(step, 1)):
        part = np.arange(begin, min(begin + step, len(flat)))
        again = np.concatenate([again, part[_contains(seen, cases.users[part // count] * width + flat[part])]])
    while len(again):
        flat[again] = random.integers(1, width, size=len(again))
        again = again[_contains(seen, cases.users[again // count] * width + flat[again])]
    return drawn


def _seen_keys(sequences: Sequences, users: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return user * (V + 1) + item for each item of the users' histories, ascending."""
    lengths = sequences.lengths[users]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items = sequences.items[np.repeat(sequences.offsets[users], lengths) + within]
    return np.unique(np.repeat(users, lengths) * (sequences.item_count + 1) + items)


def _contains(keys: npt.NDArray[np.int64], asked: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which of the numbers that are asked for are among ascending ones, of which there is at least one."""
    found: npt.NDArray[np.bool_] = keys[np.searchsorted(keys, asked).clip(max=len(keys) - 1)] == asked
    return found


def count_candidates(sequences: Sequences, cases: Cases, rivals: Rivals = EVERYTHING) -> npt.NDArray[np.int64]:
    """Return how many items each target is ranked among, itself included; it does not compete with itself.

    Args:
        sequences: of the dataset.
        cases: ranked.
        rivals: the items each target competes with.
    """
    if rivals.negatives is not None:
        competing: npt.NDArray[np.int64] = (rivals.negatives != cases.targets[:, None]).sum(axis=1)
        return competing + 1
    masked = rivals.mask(sequences, cases, np.arange(len(cases)))
    counts = np.full(len(cases), sequences.item_count, dtype=np.int64)
    counts[: len(masked)] -= np.array([len(np.unique(items)) for items in masked], dtype=np.int64)
    return counts
