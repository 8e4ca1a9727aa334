"""HSTU: a stack of gated units whose attention has no softmax, by positions alone.

Source: Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations", ICML 2024, arXiv 2402.17152, and RecTools' layers. Difference: gaps of time have no say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import nn

from adrec_cli.config import require_at_least, require_one_of, require_positive, require_share
from adrec_cli.errors import UsageError
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding
from adrec_cli.layers.repeats import REPEATS
from adrec_cli.layers.stu import SequentialTransductionUnit
from adrec_cli.models.item_table import ItemTableConfig
from adrec_cli.models.next_item import NextItemRecommender
from adrec_cli.models.stages import ALL_AT_ONCE, Stage


@dataclass(frozen=True, kw_only=True)
class HSTUConfig(ItemTableConfig):
    """Options of the HSTU network.

    Attributes:
        hidden_size: D.
        blocks: of the stack.
        heads: of attention; divides hidden_size.
        max_length: L, the newest items of a history that are used.
        dropout: of what each unit adds.
        embedding_dropout: of the sum of item and position vectors.
        item_dropout: of the item vectors themselves, drawn once a batch, for inputs, targets and negatives alike.
        initializer_range: standard deviation of fresh item and position vectors.
        repeats: what is added to the scores of items of the history: "none", "learned" by how long ago and how often
            they stand there, or "never", which puts them behind all others.
    """

    hidden_size: int = 128
    blocks: int = 2
    heads: int = 4
    max_length: int = 50
    dropout: float = 0.2
    embedding_dropout: float = 0.2
    item_dropout: float = 0.0
    initializer_range: float = 0.02
    repeats: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "hidden_size", "blocks", "heads", "max_length", table="model")
        require_share(self, "dropout", "embedding_dropout", "item_dropout", table="model")
        if self.hidden_size % self.heads:
            raise UsageError(f"model.hidden_size {self.hidden_size} must be divisible by heads {self.heads}")
        require_positive(self, "initializer_range", table="model")
        require_one_of(self, "repeats", REPEATS, table="model")


class HSTU(NextItemRecommender):
    """Item vectors with learned positions, counted from the newest item, through units and a LayerNorm."""

    name: ClassVar[str] = "hstu"
    title: ClassVar[str] = "HSTU"
    colour: ClassVar[str] = "#8C564B"
    mapped: ClassVar[bool] = False
    config_type: ClassVar[type[Any]] = HSTUConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType({"train": ALL_AT_ONCE})
    config: HSTUConfig

    def __init__(self, config: HSTUConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.item_dropout = config.item_dropout
        self.item_embedding = config.item_table(items, config.hidden_size)
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size)
        self.blocks = nn.ModuleList(
            SequentialTransductionUnit(config.hidden_size, config.heads, config.max_length, config.dropout)
            for _ in range(config.blocks)
        )
        self.output_norm = nn.LayerNorm(config.hidden_size)

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, and encoder: positions, units and the output's LayerNorm."""
        encoder = [self.position_embedding, self.blocks, self.output_norm, *self.repeat_parts()]
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
