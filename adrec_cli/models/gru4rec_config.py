"""The options of GRU4Rec's network, and what is known of the model without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from adrec_cli.config import require_at_least, require_positive, require_share
from adrec_cli.models.facts import ModelFacts
from adrec_cli.models.network_config import NetworkConfig
from adrec_cli.models.stages import ALL_AT_ONCE, Stage


@dataclass(frozen=True, kw_only=True)
class GRU4RecConfig(NetworkConfig):
    """Options of the GRU4Rec network.

    Attributes:
        gru_size: units of each GRU layer; a linear layer brings its output back to D.
        layers: of the GRU.
        dropout: of the output of each GRU layer.
        embedding_dropout: of the input.
        initializer_range: standard deviation of fresh item vectors.
    """

    gru_size: int = 256
    layers: int = 1
    dropout: float = 0.2
    embedding_dropout: float = 0.3
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "gru_size", "layers", table="model")
        require_share(self, "embedding_dropout", table="model")
        require_positive(self, "initializer_range", table="model")


class GRU4RecFacts(ModelFacts):
    """What is known of GRU4Rec without its network."""

    name: ClassVar[str] = "gru4rec"
    title: ClassVar[str] = "GRU4Rec"
    colour: ClassVar[str] = "#009E73"
    mapped: ClassVar[bool] = False
    config_type: ClassVar[type[Any]] = GRU4RecConfig
    stages: ClassVar[Mapping[str, Stage]] = MappingProxyType({"train": ALL_AT_ONCE})
    outputs: ClassVar[tuple[str, ...]] = ("next_item",)
