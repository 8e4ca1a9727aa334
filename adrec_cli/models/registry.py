"""Models by name, one line each; everything else about a model is in its file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from adrec_cli.errors import UsageError
from adrec_cli.extending.open_set import OpenSet
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    from adrec_cli.models.base import SequentialRecommender
    from adrec_cli.models.facts import ModelFacts
    from adrec_cli.models.stages import Stage

MODELS: OpenSet[type[SequentialRecommender]] = OpenSet(
    "model",
    {
        "adrec": "adrec_cli.models.adrec:ADRec",
        "sasrec": "adrec_cli.models.sasrec:SASRec",
        "esasrec": "adrec_cli.models.esasrec:ESASRec",
        "bsarec": "adrec_cli.models.bsarec:BSARec",
        "hstu": "adrec_cli.models.hstu:HSTU",
        "gru4rec": "adrec_cli.models.gru4rec:GRU4Rec",
        "dreamrec": "adrec_cli.models.dreamrec:DreamRec",
        "diffurec": "adrec_cli.models.diffurec:DiffuRec",
        "mostpop": "adrec_cli.models.most_popular:MostPopular",
    },
    group="adrec.models",
    require="adrec_cli.models.acceptance:require_model",
)

DEFAULT_MODEL = "adrec"
"""What is trained, recommended with and compared against unless somebody says otherwise."""

BASELINE = "mostpop"
"""The one that is counted, not trained: it needs no checkpoint."""


def list_trainable() -> list[str]:
    """Return the names of the models that can be trained; none of them is loaded."""
    return [name for name in MODELS if name != BASELINE]


def find_model(name: str) -> type[SequentialRecommender]:
    """Return the registered model of a name.

    Raises:
        UsageError: there is none.
    """
    _require_registered(name)
    return MODELS[name]


def find_facts(name: str) -> type[ModelFacts]:
    """Return what is known of a registered model without its network, and so without loading PyTorch.

    A model of adrec's own, `sasrec:SASRec`, may have it beside it as `sasrec_config:SASRecFacts`; others say it in
    their class.

    Raises:
        UsageError: there is no such model.
    """
    _require_registered(name)
    module, _, network = str(MODELS.own.get(name, "")).partition(":")
    if not module or find_spec(f"{module}_config") is None:
        return MODELS[name]
    facts: type[ModelFacts] = getattr(import_module(f"{module}_config"), f"{network}Facts")
    return facts


def _require_registered(name: str) -> None:
    if name not in MODELS:
        added = option("plugin", "FILE")
        raise UsageError(f"unknown model {name!r}", hint=f"one of: {', '.join(MODELS)}; or one that {added} adds")


def find_stages(name: str) -> Mapping[str, Stage]:
    """Return the stages of a model, in the order they run in.

    Raises:
        UsageError: there is no such model, or it is not trained.
    """
    stages = find_facts(name).stages
    if not stages:
        raise UsageError(
            f"model {name!r} is counted, not trained",
            hint=f"{command('evaluate', name)}; of those that are trained: {', '.join(list_trainable())}",
        )
    return stages


def is_sampled(name: str, output: str) -> bool:
    """Return whether an output of a model comes out of a reverse diffusion, so that `Sampling` has a say."""
    return output in find_facts(name).sampled_outputs
