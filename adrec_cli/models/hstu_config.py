"""The options of HSTU's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.models.facts import NextItemFacts
from adrec_cli.models.network_config import EncoderConfig, TimedConfig
from adrec_cli.models.stages import ALL_AT_ONCE, Stage


@dataclass(frozen=True, kw_only=True)
class HSTUConfig(TimedConfig, EncoderConfig):
    """Options of the HSTU network.

    Attributes:
        dropout: of what each unit adds.
    """

    dropout: float = 0.2
    embedding_dropout: float = 0.2


class HSTUFacts(NextItemFacts):
    """What is known of HSTU without its network."""

    name: ClassVar[str] = "hstu"
    title: ClassVar[str] = "HSTU"
    colour: ClassVar[str] = "#8C564B"
    mapped: ClassVar[bool] = False
    config_type: ClassVar[type[Any]] = HSTUConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType({"train": ALL_AT_ONCE})
