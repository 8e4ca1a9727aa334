"""The options of SASRec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.models.facts import NextItemFacts
from adrec_cli.models.network_config import EncoderConfig, TimedConfig
from adrec_cli.models.stages import ALL_AT_ONCE, Stage


@dataclass(frozen=True, kw_only=True)
class SASRecConfig(TimedConfig, EncoderConfig):
    """Options of the SASRec network; defaults are those of SASRec+ in the ADRec code.

    Attributes:
        dropout: of attention weights, feed-forward and residual branches.
        embedding_dropout: of the sum of item and position vectors, before their LayerNorm.
        item_dropout: as RecTools has it.
    """


class SASRecFacts(NextItemFacts):
    """What is known of SASRec without its network."""

    name: ClassVar[str] = "sasrec"
    title: ClassVar[str] = "SASRec"
    colour: ClassVar[str] = "#D55E00"
    config_type: ClassVar[type[Any]] = SASRecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType({"train": ALL_AT_ONCE})
