"""The options of MostPopular's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.stages import Stage


@dataclass(frozen=True, kw_only=True)
class MostPopularConfig:
    """MostPopular has no options."""


class MostPopularFacts(ModelFacts):
    """What is known of MostPopular without its network."""

    name: ClassVar[str] = "mostpop"
    title: ClassVar[str] = "MostPopular"
    colour: ClassVar[str] = "#6E6E6E"
    config_type: ClassVar[type[Any]] = MostPopularConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType({})
    outputs: ClassVar[tuple[str, ...]] = ("popularity",)
