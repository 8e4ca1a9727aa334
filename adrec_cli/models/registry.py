"""Models by name: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from adrec_cli.errors import look_up
from adrec_cli.models.adrec import ADRec
from adrec_cli.models.adrec_config import ADRecConfig
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.bsarec import BSARec, BSARecConfig
from adrec_cli.models.diffurec import DiffuRec, DiffuRecConfig
from adrec_cli.models.dreamrec import DreamRec, DreamRecConfig
from adrec_cli.models.esasrec import ESASRec, ESASRecConfig
from adrec_cli.models.gru4rec import GRU4Rec, GRU4RecConfig
from adrec_cli.models.hstu import HSTU, HSTUConfig
from adrec_cli.models.most_popular import MostPopular, MostPopularConfig
from adrec_cli.models.sasrec import SASRec, SASRecConfig


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model and its configuration.

    Attributes:
        config: its dataclass.
        build: (config, number of items V) -> model with weights not yet drawn.
    """

    config: type[Any]
    build: Callable[[Any, int], SequentialRecommender]

    def outline(self, config: Any, items: int) -> SequentialRecommender:
        """Return the model with the names, shapes and types of its weights, but no memory for them."""
        with torch.device("meta"):
            return self.build(config, items)


MODELS: dict[str, ModelEntry] = {
    "adrec": ModelEntry(config=ADRecConfig, build=ADRec),
    "sasrec": ModelEntry(config=SASRecConfig, build=SASRec),
    "esasrec": ModelEntry(config=ESASRecConfig, build=ESASRec),
    "bsarec": ModelEntry(config=BSARecConfig, build=BSARec),
    "hstu": ModelEntry(config=HSTUConfig, build=HSTU),
    "gru4rec": ModelEntry(config=GRU4RecConfig, build=GRU4Rec),
    "dreamrec": ModelEntry(config=DreamRecConfig, build=DreamRec),
    "diffurec": ModelEntry(config=DiffuRecConfig, build=DiffuRec),
    "mostpop": ModelEntry(config=MostPopularConfig, build=MostPopular),
}


def model_entry(name: str) -> ModelEntry:
    """Return the registered model of a name.

    Raises:
        UsageError: there is none.
    """
    return look_up(MODELS, name, "model")


def is_sampled(name: str, output: str) -> bool:
    """Return whether an output of a model comes out of a reverse diffusion, so that `Sampling` has a say."""
    build = model_entry(name).build
    return isinstance(build, type) and issubclass(build, SequentialRecommender) and output in build.sampled_outputs
