"""eSASRec: SASRec's objective with LiGR blocks and a sampled softmax.

Source: Tikhonovich et al., "eSASRec: Enhancing Transformer-based Recommendations in a Modular Fashion", RecSys 2025,
arXiv 2508.06450, and its benchmark's RecTools layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding
from adrec_cli.layers.ligr import LiGRBlock
from adrec_cli.models.esasrec_config import ESASRecConfig, ESASRecFacts
from adrec_cli.models.next_item import NextItemRecommender


class ESASRec(ESASRecFacts, NextItemRecommender):
    """Item vectors with learned positions, counted from the newest item, through LiGR blocks; no norm at either end."""

    config: ESASRecConfig

    def __init__(self, config: ESASRecConfig, items: int) -> None:
        super().__init__(config, items)
        self.item_dropout = config.item_dropout
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size)
        self.blocks = nn.ModuleList(
            LiGRBlock(config.hidden_size, config.heads, config.feed_forward_multiplier, config.dropout)
            for _ in range(config.blocks)
        )

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: positions and blocks."""
        return {
            "item_embedding": self.item_embedding,
            "encoder": nn.ModuleList([self.position_embedding, self.blocks, *self.repeat_parts(), *self.gap_parts()]),
        }

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component, all Xavier normal as in RecTools."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, _xavier_std(self.item_embedding.shape))
            return
        self.position_embedding.initialize(generator, _xavier_std(self.position_embedding.weight.shape))
        for block in self.blocks:
            assert isinstance(block, LiGRBlock)
            block.initialize(generator)
        self.initialize_repeats()
        self.initialize_gaps()

    def hidden_RLD(
        self,
        embedded_RLD: torch.Tensor,
        remaining_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Return the last block's output at every position. Source: eSASRec, section 3."""
        embedded_RLD = embedded_RLD + self.position_embedding(remaining_RL)
        hidden_RLD: torch.Tensor = dropout(embedded_RLD, self.config.dropout, generator)
        for block in self.blocks:
            hidden_RLD = block(hidden_RLD, mask_R1LL, generator)
        return hidden_RLD


def _xavier_std(shape: Sequence[int]) -> float:
    return float((2.0 / sum(shape)) ** 0.5)
