"""SASRec: a causal Transformer over items and positions.

Source: Kang, McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, arXiv 1808.09781; with cross-entropy
over the catalogue instead of one negative ("SASRec+"): Klenitskiy, Vasilev, RecSys 2023, arXiv 2309.07602; with gBCE
("gSASRec"): Petrov, Macdonald, RecSys 2023, arXiv 2308.07192. Which loss is trained is the stage's `ranking_loss`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding
from adrec_cli.layers.transformer import CausalTransformer
from adrec_cli.models.next_item import NextItemRecommender
from adrec_cli.models.sasrec_config import SASRecConfig, SASRecFacts


class SASRec(SASRecFacts, NextItemRecommender):
    """Item vectors with learned positions, through post-norm causal Transformer blocks.

    Positions are counted from the newest item, as in the published code, which pads on the left: the newest has
    position L - 1, whatever the length of its history.
    """

    config: SASRecConfig

    def __init__(self, config: SASRecConfig, items: int) -> None:
        super().__init__(config, items)
        self.item_dropout = config.item_dropout
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size)
        self.input_norm = nn.LayerNorm(config.hidden_size)
        self.transformer = CausalTransformer(
            width=config.hidden_size, blocks=config.blocks, heads=config.heads, dropout_probability=config.dropout
        )

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: positions, the input's LayerNorm and the Transformer."""
        return {
            "item_embedding": self.item_embedding,
            "encoder": nn.ModuleList(
                [self.position_embedding, self.input_norm, self.transformer, *self.repeat_parts(), *self.gap_parts()]
            ),
        }

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
            return
        self.position_embedding.initialize(generator, self.config.initializer_range)
        nn.init.ones_(self.input_norm.weight)
        nn.init.zeros_(self.input_norm.bias)
        self.transformer.initialize(generator)
        self.initialize_repeats()
        self.initialize_gaps()

    def hidden_RLD(
        self,
        embedded_RLD: torch.Tensor,
        remaining_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Return the Transformer's output at every position. Source: Kang, McAuley, section III."""
        embedded_RLD = embedded_RLD + self.position_embedding(self.max_length - 1 - remaining_RL)
        embedded_RLD = self.input_norm(dropout(embedded_RLD, self.config.embedding_dropout, generator))
        hidden_RLD: torch.Tensor = self.transformer(embedded_RLD, mask_R1LL, generator)
        return hidden_RLD
