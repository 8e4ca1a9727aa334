"""What the shell completes: names of data sets, models, presets and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from adrec_cli.artifacts.workspace import Workspace, find_own_workspace
from adrec_cli.config import preset_names
from adrec_cli.models.registry import BASELINE, DEFAULT_MODEL, MODELS, find_facts, list_trainable

PLUGINS_VARIABLE = "ADREC_PLUGINS"
PICTURE_KINDS = ("curves", "embeddings", "spectrum", "slices", "sweeps", "steps")

Complete = Callable[[str], list[str]]


def among(names: Iterable[str]) -> Complete:
    """Return a completion from fixed names."""
    known = sorted(names)
    return lambda incomplete: _starting(known, incomplete)


def model_names(incomplete: str) -> list[str]:
    """Complete the name of a model that can be trained."""
    return _starting(list_trainable(), incomplete)


def preset(incomplete: str) -> list[str]:
    """Complete the name of a preset."""
    return _starting(preset_names(), incomplete)


def dataset_name(incomplete: str) -> list[str]:
    """Complete the name of a data set that adrec knows."""
    # Not at the top: it loads Polars.
    from adrec_cli.data.named_datasets import dataset_names, describe_dataset, list_parametrized

    names = [*dataset_names(), *(f"{name}:" for name in list_parametrized())]
    base, colon, _ = incomplete.partition(":")
    if colon and base in list_parametrized() and (parameter := describe_dataset(base).parameter) is not None:
        names = [f"{base}:{value}" for value in parameter.values]
    return _starting(names, incomplete)


def workspace_dataset(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a data set in the workspace."""
    return _starting(_workspace(ctx).datasets(), incomplete)


def checkpoint(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the bare name of a checkpoint where that is enough, else its path."""
    paths = _workspace(ctx).checkpoints(ctx.params.get("dataset"))
    names = [path.name for path in paths]
    return _starting((path.name if names.count(path.name) == 1 else str(path) for path in paths), incomplete)


def checkpoint_or_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a model or of a checkpoint."""
    return [*model_names(incomplete), *checkpoint(ctx, incomplete)]


def option_to_vary(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of an option that can be varied."""
    from adrec_cli.experiments.experiment import compose
    from adrec_cli.sweeping.option_keys import option_names_typed

    model = ctx.params.get("model") or DEFAULT_MODEL
    names = option_names_typed(compose(model)) if model in list_trainable() else []
    return _starting((f"{name}=" for name in names), incomplete)


def option_key(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the full name of an option, or the end of one."""
    from adrec_cli.pipeline.config import config

    model = ctx.params.get("model") or DEFAULT_MODEL
    keys = [one.key for one in config(model_name=model)] if model in list_trainable() else []
    return _starting(dict.fromkeys([*keys, *(key.rpartition(".")[2] for key in keys)]), incomplete)


def ablation(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of an ablation."""
    model = ctx.params.get("model") or DEFAULT_MODEL
    return _starting(find_facts(model).ablations if model in MODELS else (), incomplete)


def evaluable(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete what can be evaluated: a checkpoint, or mostpop."""
    return [*checkpoint(ctx, incomplete), *_starting([BASELINE], incomplete)]


def models_to_compare(incomplete: str) -> list[str]:
    """Complete the last name of a list of models that are compared."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in _starting([*list_trainable(), BASELINE], last) if name not in taken]


def _workspace(ctx: typer.Context) -> Workspace:
    given = ctx.params.get("workspace") or find_own_workspace()
    return Workspace(Path(given))


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
