"""A bias on the scores of items that stand in the history, by how long ago and how often they do.

An inner product with the history's vector cannot tell a shop where nothing is bought twice from one where everything
is; these few numbers can.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from adrec_cli.layers.lookup import lookup_of_few
from adrec_cli.schema import PAD

AGES = (1, 2, 4, 8, 16, 32)
"""Where buckets of age begin, in items since an item stood last; the newest item of a history has age 0."""
COUNTS = (2, 3)
"""Where buckets of how often an item stands in a history begin, after once."""
BUCKETS = (len(AGES) + 1) * (len(COUNTS) + 1)

_GAIN = 10.0
"""Of the weights: scores move by tens, of which a step of Adam goes a thousandth."""
_APART = 30.0
"""Taken off where nothing repeats: no inner product of use differs from another by so much, and its exponential is no
fault.
"""


@dataclass(frozen=True, kw_only=True)
class HistoryBias:
    """What is added to the scores of the items of a history; all others stay as they are.

    Attributes:
        items_NS: int64 item indices of N histories, each item once; 0 where a slot S holds none.
        values_NS: added to their scores; 0 where a slot holds none.
    """

    items_NS: torch.Tensor
    values_NS: torch.Tensor

    def rows(self, some: slice) -> HistoryBias:
        """Return that of some of the histories."""
        return HistoryBias(items_NS=self.items_NS[some], values_NS=self.values_NS[some])

    def add_to(self, scores_NC: torch.Tensor, *, first: int) -> None:
        """Add to scores, in place, whose columns are the items from `first` on; they need not be all."""
        add_at(scores_NC, self.items_NS - first, self.values_NS)

    def of(self, items_NK: torch.Tensor) -> torch.Tensor:
        """Return what is added to the scores of each row's own items (N, K), or of the same for all rows (K,)."""
        sorted_NS, order_NS = self.items_NS.sort(dim=1)
        asked_NK = items_NK.expand(len(sorted_NS), -1).contiguous()
        at_NK = torch.searchsorted(sorted_NS, asked_NK).clamp(max=sorted_NS.shape[1] - 1)
        found_NK = sorted_NS.gather(1, at_NK) == asked_NK
        return torch.where(found_NK, self.values_NS.gather(1, order_NS).gather(1, at_NK), 0.0)


def add_at(scores_NC: torch.Tensor, columns_NS: torch.Tensor, values_NS: torch.Tensor) -> None:
    """Add values to scores in place; columns that are not there are passed over."""
    if not scores_NC.shape[1]:
        return
    inside_NS = (columns_NS >= 0) & (columns_NS < scores_NC.shape[1])
    columns_NS = columns_NS.clamp(0, scores_NC.shape[1] - 1)
    # A column comes once a row, and with it but zeros: whatever the order, the sum is the same to the bit, so that the
    # sorting that makes other sums repeatable on a GPU can be saved.
    with _in_any_order(scores_NC.device):
        scores_NC.scatter_add_(1, columns_NS, torch.where(inside_NS, values_NS, 0.0))


@contextmanager
def _in_any_order(device: torch.device) -> Iterator[None]:
    """Let a GPU add in any order for a while."""
    strict = device.type == "cuda" and torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    if strict:
        torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        if strict:
            torch.use_deterministic_algorithms(True, warn_only=warn_only)


class RepeatBias(nn.Module):
    """One number for each bucket of age and count, for all items alike."""

    def __init__(self, *, learned: bool, differ: float = 0.0) -> None:
        """Take a bias that is learned, from 0 on, or one that lets nothing repeat.

        Args:
            learned: whether it is.
            differ: by how much two scores can differ without it, where that is known.
        """
        super().__init__()
        if learned:
            self.weight = nn.Parameter(torch.zeros(BUCKETS, 1))
        else:
            self.register_buffer("weight", torch.full((BUCKETS, 1), -max(_APART, differ + 1) / _GAIN), persistent=False)

    @classmethod
    def from_name(cls, repeats: str, *, differ: float = 0.0) -> RepeatBias | None:
        """Return what one of `REPEATS` means; None where nothing is added to scores."""
        return None if repeats == "none" else cls(learned=repeats == "learned", differ=differ)

    def initialize(self) -> None:
        """Forget what was learned; what is fixed stays."""
        if isinstance(self.weight, nn.Parameter):
            nn.init.zeros_(self.weight)

    def of_tokens(
        self, items_RL: torch.Tensor, segments_RL: torch.Tensor, chosen_RL: torch.Tensor | None
    ) -> HistoryBias:
        """Return the bias of the chosen tokens' histories, which end with the tokens themselves.

        Args:
            items_RL: packed items, 0 for padding.
            segments_RL: the number of the sequence each belongs to.
            chosen_RL: bool, N of the positions; None for all.
        """
        same_RLL = (items_RL.unsqueeze(2) == items_RL.unsqueeze(1)) & (
            segments_RL.unsqueeze(2) == segments_RL.unsqueeze(1)
        )
        # Of the item at j: how often it stands up to l, in [j, l], and up to j itself.
        counts_RLL = same_RLL.cumsum(dim=2, dtype=torch.int32)
        own_RL1 = counts_RLL.diagonal(dim1=1, dim2=2).unsqueeze(2)
        seen_RLL = (counts_RLL == own_RL1) & (segments_RL.unsqueeze(2) == segments_RL.unsqueeze(1))
        columns_L = torch.arange(items_RL.shape[1], device=items_RL.device)
        age_LL = columns_L - columns_L.unsqueeze(1)
        seen_RLL &= (age_LL >= 0) & (items_RL != PAD).unsqueeze(2)
        # Now [l, j], of the chosen l.
        buckets_RLL, seen_RLL = _buckets(age_LL, counts_RLL).transpose(1, 2), seen_RLL.transpose(1, 2)
        if chosen_RL is None:
            items_RLL = items_RL.unsqueeze(1).expand_as(seen_RLL)
            return self._bias(items_RLL.flatten(0, 1), seen_RLL.flatten(0, 1), buckets_RLL.flatten(0, 1))
        rows_N = chosen_RL.nonzero(as_tuple=True)
        return self._bias(items_RL[rows_N[0]], seen_RLL[rows_N], buckets_RLL[rows_N])

    def of_histories(self, items_BL: torch.Tensor, lengths_B: torch.Tensor) -> HistoryBias:
        """Return the bias of whole histories, left-aligned, each of lengths_B items."""
        columns_L = torch.arange(items_BL.shape[1], device=items_BL.device)
        age_BL = lengths_B.unsqueeze(1) - 1 - columns_L
        same_BLL = (items_BL.unsqueeze(2) == items_BL.unsqueeze(1)) & (age_BL >= 0).unsqueeze(1)
        later_LL = columns_L > columns_L.unsqueeze(1)
        seen_BL = (age_BL >= 0) & (items_BL != PAD) & ~(same_BLL & later_LL).any(dim=2)
        return self._bias(items_BL, seen_BL, _buckets(age_BL, same_BLL.sum(dim=2)))

    def _bias(self, items_NS: torch.Tensor, seen_NS: torch.Tensor, buckets_NS: torch.Tensor) -> HistoryBias:
        # A lookup rather than indexing, whose backward pass is nondeterministic on CUDA.
        values_NS = lookup_of_few(buckets_NS, self.weight).squeeze(2) * _GAIN
        return HistoryBias(items_NS=torch.where(seen_NS, items_NS, PAD), values_NS=torch.where(seen_NS, values_NS, 0.0))


def _buckets(ages: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the bucket 0..BUCKETS - 1 of ages and counts, which are broadcast together."""
    return _bucket(ages, AGES) * (len(COUNTS) + 1) + _bucket(counts, COUNTS)


def _bucket(values: torch.Tensor, begins: tuple[int, ...]) -> torch.Tensor:
    if values.device.type == "cpu":
        return torch.bucketize(values, torch.tensor(begins), right=True)
    # What is recorded on a GPU cannot wait for bounds to be brought there.
    bucket = torch.zeros_like(values, dtype=torch.int64)
    for begin in begins:
        bucket = bucket + (values >= begin)
    return bucket
