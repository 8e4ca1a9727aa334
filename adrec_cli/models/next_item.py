"""What SASRec and eSASRec share: the hidden vector at a position is compared with the next item's vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch

from adrec_cli.layers.attention import make_packed_causal_mask
from adrec_cli.layers.gaps import add_bias
from adrec_cli.models.base import SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.facts import NextItemFacts
from adrec_cli.models.network_config import NetworkConfig
from adrec_cli.models.sampling import Sampling


class NextItemRecommender(NextItemFacts, SequentialRecommender):
    """A model whose hidden vector at a position, which sees nothing later, is compared with the next item's vector.

    Attributes:
        item_embedding: shared by inputs and scores.
    """

    config: NetworkConfig

    def __init__(self, config: NetworkConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.item_embedding = config.item_table(items, config.hidden_size)

    @abstractmethod
    def hidden_RLD(
        self,
        embedded_RLD: torch.Tensor,
        remaining_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Return the hidden vector of every position.

        Args:
            embedded_RLD: item vectors; zeros for padding.
            remaining_RL: how many items of the same sequence come after each, 0..L-1.
            mask_R1LL: which key a query may see, bool, or float to be added to scores, then perhaps for each head; None
                means plain causal.
            generator: of dropout; None in evaluation.
        """

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "next_item" for every token of a packed batch whose target is learned; a generator means training."""
        vectors_VD = self.drop_item_vectors_VD(generator)
        embedded_RLD = self.item_embedding(batch.inputs_RL, vectors_VD, batch.input_order_N)
        mask_RHLL = add_bias(make_packed_causal_mask(batch.segments_RL), self.gap_bias(batch.seconds_RL))
        hidden_RLD = self.hidden_RLD(embedded_RLD, batch.remaining_RL(), mask_RHLL, generator)
        return TokenOutputs(
            predicted_ND=batch.of_tokens(hidden_RLD),
            x_start_ND=None,
            targets_N=batch.targets_of_tokens(),
            weights_N=batch.sequence_weights_N(),
            vectors_VD=vectors_VD,
            padded=batch.padded,
        )

    def why_not_padded(self) -> str:
        """Say what keeps a `PaddedBatch` from being computed without asking the device: nothing."""
        return ""

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD, the hidden vector at the newest item of each history."""
        mask_BHLL = add_bias(None, self.gap_bias(histories.seconds_BL))
        hidden_BLD = self.hidden_RLD(self.item_embedding(histories.items_BL), histories.remaining_BL(), mask_BHLL, None)
        users = torch.arange(len(histories.lengths_B), device=hidden_BLD.device)
        return hidden_BLD[users, histories.lengths_B - 1]

    def export_hidden_BLD(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, constants: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the hidden vectors of all positions."""
        columns_L = torch.arange(items_BL.shape[1])
        remaining_BL = (lengths_B[:, None] - 1 - columns_L).clamp(min=0)
        return self.hidden_RLD(self.item_embedding(items_BL), remaining_BL, None, None)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()
