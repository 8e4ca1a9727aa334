"""MostPopular: every user gets the items with the most train events."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.most_popular_config import MostPopularConfig, MostPopularFacts
from adrec_cli.models.sampling import Sampling


class MostPopular(MostPopularFacts, SequentialRecommender):
    """One number per item, its count of train events; the history is ignored."""

    max_length = 1
    config: MostPopularConfig

    def __init__(self, config: MostPopularConfig, items: int) -> None:
        super().__init__(config, items)
        self.counts_V1 = nn.Parameter(torch.zeros(items + 1, 1), requires_grad=False)

    @classmethod
    def from_counts(cls, counts_V: torch.Tensor) -> MostPopular:
        """Return the model of given train counts, padding (index 0) included."""
        model = cls(MostPopularConfig(), len(counts_V) - 1)
        model.counts_V1.data = counts_V.float().unsqueeze(1)
        return model

    def components(self) -> Mapping[str, nn.Module]:
        """Return nothing to train."""
        return {}

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Nothing is drawn."""

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """MostPopular is counted, not trained."""
        raise TypeError("MostPopular is counted, not trained")

    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return ones (B, 1), whatever the histories."""
        return torch.ones(len(histories.lengths_B), 1, device=histories.items_BL.device)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the counts as vectors of width 1."""
        return self.counts_V1
