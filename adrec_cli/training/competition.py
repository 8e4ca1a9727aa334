"""Which items targets compete with in training: all, or all but those that come with content alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adrec_cli.layers.repeats import HistoryBias
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.training.sampled_losses import ItemVectors


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """What a ranking loss compares predictions with.

    Attributes:
        vectors: row 0 is padding.
        targets_N: rows of them.
        bias: on rows of them; None for nothing.
    """

    vectors: ItemVectors
    targets_N: torch.Tensor
    bias: HistoryBias | None


class Competition:
    """The items that compete, and their numbers among themselves."""

    def __init__(self, items_C: torch.Tensor, item_count: int) -> None:
        """Take them.

        Args:
            items_C: padding and the items that compete, ascending.
            item_count: of all, padding included.
        """
        self.items_C = items_C
        self._number_V = torch.zeros(item_count, dtype=torch.int64, device=items_C.device)
        self._number_V[items_C] = torch.arange(len(items_C), device=items_C.device)

    @classmethod
    def of(cls, model: SequentialRecommender) -> Competition | None:
        """Return that of a model; None where all items compete."""
        items_C = model.competing_items()
        return None if items_C is None else cls(items_C, len(model.item_vectors_VD()))

    def of_rivals(self, rivals: Rivals) -> Rivals:
        """Return the same among the items that compete; all targets are among them."""
        bias = rivals.bias
        if bias is not None:
            bias = HistoryBias(items_NS=self._number_V[bias.items_NS], values_NS=bias.values_NS)
        return Rivals(vectors=self._among(rivals.vectors), targets_N=self._number_V[rivals.targets_N], bias=bias)

    def _among(self, vectors: ItemVectors) -> ItemVectors:
        """Return vectors by the numbers of the items that compete."""
        if isinstance(vectors, torch.Tensor):
            return vectors.index_select(0, self.items_C)
        return lambda numbers: vectors(self.items_C[numbers])
