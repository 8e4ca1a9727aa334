"""HSTU: a stack of gated units whose attention has no softmax.

Source: Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations", ICML 2024, arXiv 2402.17152, and RecTools' layers. Differences: gaps of time have a say with
`times = "gaps"` only, one for all units; and they are gaps between events of the history, as nobody knows when the next
event is where one is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding
from adrec_cli.layers.stu import SequentialTransductionUnit
from adrec_cli.models.hstu_config import HSTUConfig, HSTUFacts
from adrec_cli.models.next_item import NextItemRecommender


class HSTU(HSTUFacts, NextItemRecommender):
    """Item vectors with learned positions, counted from the newest item, through units and a LayerNorm."""

    config: HSTUConfig

    def __init__(self, config: HSTUConfig, items: int) -> None:
        super().__init__(config, items)
        self.item_dropout = config.item_dropout
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size)
        self.blocks = nn.ModuleList(
            SequentialTransductionUnit(config.hidden_size, config.heads, config.max_length, config.dropout)
            for _ in range(config.blocks)
        )
        self.output_norm = nn.LayerNorm(config.hidden_size)

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: positions, units and the output's LayerNorm."""
        encoder = [self.position_embedding, self.blocks, self.output_norm, *self.repeat_parts(), *self.gap_parts()]
        return {"item_embedding": self.item_embedding, "encoder": nn.ModuleList(encoder)}

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
            return
        self.position_embedding.initialize(generator, self.config.initializer_range)
        for block in self.blocks:
            assert isinstance(block, SequentialTransductionUnit)
            block.initialize(generator)
        nn.init.ones_(self.output_norm.weight)
        nn.init.zeros_(self.output_norm.bias)
        self.initialize_repeats()
        self.initialize_gaps()

    def hidden_RLD(
        self,
        embedded_RLD: torch.Tensor,
        remaining_RL: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Return the last unit's output at every position. Source: HSTU, section 3."""
        embedded_RLD = embedded_RLD + self.position_embedding(self.max_length - 1 - remaining_RL)
        hidden_RLD: torch.Tensor = dropout(embedded_RLD, self.config.embedding_dropout, generator)
        for block in self.blocks:
            hidden_RLD = block(hidden_RLD, mask_R1LL, generator)
        normed_RLD: torch.Tensor = self.output_norm(hidden_RLD)
        return normed_RLD
