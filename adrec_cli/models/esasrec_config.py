"""The options of eSASRec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.config import require_at_least, require_share
from adrec_cli.models.facts import NextItemFacts
from adrec_cli.models.network_config import AttentionConfig, TimedConfig
from adrec_cli.models.stages import ALL_AT_ONCE, Stage


@dataclass(frozen=True, kw_only=True)
class ESASRecConfig(TimedConfig, AttentionConfig):
    """Options of the eSASRec network; defaults are the benchmark's for Amazon Beauty.

    Attributes:
        blocks: LiGR blocks.
        feed_forward_multiplier: width of the SwiGLU network in units of D.
        dropout: of the input, attention weights, feed-forward and gated branches.
        item_dropout: of the item vectors themselves, drawn once a batch, for inputs, targets and negatives alike, as
            RecTools drops entries of all its item vectors (`IdEmbeddingsItemNet`).
    """

    hidden_size: int = 256
    blocks: int = 1
    heads: int = 1
    feed_forward_multiplier: int = 4
    dropout: float = 0.2
    item_dropout: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "feed_forward_multiplier", table="model")
        require_share(self, "item_dropout", table="model")


class ESASRecFacts(NextItemFacts):
    """What is known of eSASRec without its network."""

    name: ClassVar[str] = "esasrec"
    title: ClassVar[str] = "eSASRec"
    colour: ClassVar[str] = "#56B4E9"
    mapped: ClassVar[bool] = False
    config_type: ClassVar[type[Any]] = ESASRecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType(
        {"train": replace(ALL_AT_ONCE, ranking_loss="sampled_softmax")}
    )
