"""The options of BSARec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.config import require_at_least
from adrec_cli.errors import UsageError
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import EncoderConfig
from adrec_cli.models.stages import ALL_AT_ONCE, Stage, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class BSARecConfig(EncoderConfig):
    """Options of the BSARec network; defaults are those of its code for Amazon Beauty.

    Attributes:
        blocks: of filter, attention and feed-forward network.
        dropout: of attention weights and of every branch.
        embedding_dropout: of the sum of item and position vectors, after its LayerNorm.
        filter_share: alpha, of the filter beside attention, in [0, 1].
        filter_components: c; the frequencies 0..c // 2 of L positions are slow.
        padding_filtered: rows are filled up with padding in front, whose vectors take part in the filter, as in its
            code: it tells how long a history is, and costs L tokens a sample.
        initializer_range: standard deviation of fresh weights.
    """

    hidden_size: int = 64
    heads: int = 1
    dropout: float = 0.5
    embedding_dropout: float = 0.5
    filter_share: float = 0.7
    filter_components: int = 5
    padding_filtered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "filter_components", table="model")
        if not 0 <= self.filter_share <= 1:
            raise UsageError(f"model.filter_share must be in [0, 1], got {self.filter_share}")


class BSARecFacts(ModelFacts):
    """What is known of BSARec without its network."""

    name: ClassVar[str] = "bsarec"
    title: ClassVar[str] = "BSARec"
    colour: ClassVar[str] = "#222222"
    mapped: ClassVar[bool] = False
    config_type: ClassVar[type[Any]] = BSARecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType(
        {"train": replace(ALL_AT_ONCE, learning_rate=5e-4, patience=10)}
    )
    default_training: ClassVar[TrainingConfig] = TrainingConfig(samples="prefixes", batch_size=256, weight_decay=0.0)
    outputs: ClassVar[tuple[str, ...]] = ("next_item",)
    needs_prefixes: ClassVar[bool] = True
