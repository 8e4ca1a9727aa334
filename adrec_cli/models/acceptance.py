"""What a model from outside must have, so that what it lacks is said when it is added and not hours later."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping

from adrec_cli.errors import UsageError
from adrec_cli.models.base import SequentialRecommender
from adrec_cli.models.stages import Stage

_FOLDERS = ("generations", "reports", "sweeps")
"""What lies in a data set's folder beside its models."""


def require_model(name: str, thing: object) -> None:
    """Raise unless something is a model that adrec can train.

    Raises:
        UsageError: naming what it lacks.
    """
    if not (isinstance(thing, type) and issubclass(thing, SequentialRecommender)):
        raise UsageError(f"{name!r} is not a subclass of SequentialRecommender", hint="give the class itself")
    if lacking := [one for one in ("name", "title", "config_type", "stages", "outputs") if not hasattr(thing, one)]:
        raise UsageError(
            f"model {name!r} does not say its {', '.join(lacking)}", hint="as adrec_cli/models/sasrec.py does"
        )
    if inspect.isabstract(thing):
        raise UsageError(
            f"model {name!r} does not have {', '.join(sorted(thing.__abstractmethods__))}", hint="write them"
        )
    if thing.name != name or name in _FOLDERS:
        raise UsageError(f"model {name!r} is called {thing.name!r} in its class", hint="give both the same name")
    if not (isinstance(thing.config_type, type) and dataclasses.is_dataclass(thing.config_type)):
        raise UsageError(
            f"config_type of model {name!r} is not a dataclass", hint="@dataclass(frozen=True, kw_only=True)"
        )
    _require_stages(thing)


def _require_stages(model: type[SequentialRecommender]) -> None:
    stages = model.stages
    if not isinstance(stages, Mapping) or not stages or not all(isinstance(one, Stage) for one in stages.values()):
        raise UsageError(f"stages of model {model.name!r} are not a table of Stage", hint='{"train": ALL_AT_ONCE}')
    try:
        components = set(model.outline(model.config_type(), 3).components())
    except Exception as error:
        raise UsageError(
            f"model {model.name!r} cannot be built with its defaults: {type(error).__name__}: {error}",
            hint="config_type() gives a configuration, and (config, items) makes the model",
        ) from error
    for stage, said in stages.items():
        if said.output not in model.outputs:
            raise UsageError(
                f"stage {stage} of model {model.name!r} trains output {said.output!r}",
                hint=f"one of its outputs: {', '.join(model.outputs)}",
            )
        if unknown := sorted({*said.trains, *said.fresh} - components):
            raise UsageError(
                f"stage {stage} of model {model.name!r} trains {', '.join(unknown)}",
                hint=f"its components are: {', '.join(sorted(components))}",
            )
