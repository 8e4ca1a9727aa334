"""Names of options as people type them, such as `lambda` or `stages.align.epochs`, and the tables they mean."""

from __future__ import annotations

import contextlib
import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adrec_cli.config import merge, option_names
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import SAMPLING, Experiment
from adrec_cli.models.registry import find_facts
from adrec_cli.models.sampling import Sampling
from adrec_cli.models.stages import Stage
from adrec_cli.ranking.samples import Merging

_ALIASES = {"steps": "diffusion_steps", "eta": "mse_weight"}
_OF_EVERY_STAGE = ("epochs", "patience", "learning_rate", "mse_weight")
"""Options of a stage that mean every stage without its name, as their flags do."""


def option_paths(experiment: Experiment) -> list[str]:
    """Return the full names of all options of an experiment, such as `stages.align.epochs`."""
    tables = experiment.tables()
    paths = [f"{table}.{key}" for table in ("model", "training") for key in tables[table]]
    paths += [f"stages.{stage}.{key}" for stage, table in tables["stages"].items() for key in table]
    if find_facts(experiment.model_name).sampled_outputs:
        paths += [f"{SAMPLING}.{key}" for key in (*option_names(Sampling), *option_names(Merging))]
    return paths


def option_names_typed(experiment: Experiment) -> list[str]:
    """Return what can be typed for an option: short names that mean one thing, and all full names."""
    paths = option_paths(experiment)
    short = []
    for name in dict.fromkeys([*_ALIASES, *(path.rpartition(".")[2] for path in paths)]):
        with contextlib.suppress(UsageError):
            resolve_option(name, experiment)
            short.append(name)
    return [*short, *paths]


def resolve_option(name: str, experiment: Experiment) -> tuple[str, ...]:
    """Return the full names that a name means: those of the first of `_MEANINGS` that knows it.

    A short name stands for the one option that ends with it; `epochs`, `patience` and `learning_rate` for those of
    every stage, `mse_weight` for those of every stage with a denoising loss, and `stages.*.KEY` for any key of every
    stage. `steps` is `model.diffusion_steps`.

    Raises:
        UsageError: no option has that name, or several have it.
    """
    known = option_paths(experiment)
    for meaning in _MEANINGS:
        if found := meaning(name, experiment, known):
            return tuple(found)
    several = _ending_with(name, known)
    if several:
        key = several[0].rpartition(".")[2]
        everywhere = [f"stages.*.{key}"] if several == _of_stages(key, experiment) else []
        raise UsageError(f"{name!r} may mean several options", hint=f"one of: {', '.join([*several, *everywhere])}")
    short = {path.rpartition(".")[2]: path for path in known}
    near = difflib.get_close_matches(name, [*known, *short, *_ALIASES], n=3)
    guess = f"did you mean: {', '.join(near)}?" if near else f"for example: {', '.join(list(short)[:12])}"
    raise UsageError(f"no option of {experiment.model_name} is called {name!r}", hint=guess)


def _as_it_stands(name: str, experiment: Experiment, known: Sequence[str]) -> list[str]:
    """Read a full name."""
    return [name] if name in known else []


def _of_any_stage(name: str, experiment: Experiment, known: Sequence[str]) -> list[str]:
    """Read `stages.*.KEY`."""
    table, _, key = name.rpartition(".")
    return _of_stages(key, experiment) if table == "stages.*" and key in option_names(Stage) else []


def _of_every_stage(name: str, experiment: Experiment, known: Sequence[str]) -> list[str]:
    """Read what means every stage without its name; a weight of the denoising loss means those that have this loss."""
    found = _ending_with(name, known)
    key = _ALIASES.get(name, name)
    if key not in _OF_EVERY_STAGE or found != _of_stages(key, experiment):
        return []
    denoising = [f"stages.{stage}.{key}" for stage, one in experiment.stages.items() if one.mse_weight]
    return denoising or found if key == "mse_weight" else found


def _only_one(name: str, experiment: Experiment, known: Sequence[str]) -> list[str]:
    """Read a short name that one option alone has."""
    found = _ending_with(name, known)
    return found if len(found) == 1 else []


_MEANINGS: Final = (_as_it_stands, _of_any_stage, _of_every_stage, _only_one)
"""What a name may mean, in the order in which it is tried."""


def _of_stages(key: str, experiment: Experiment) -> list[str]:
    return [f"stages.{stage}.{key}" for stage in experiment.stages]


def _ending_with(name: str, known: Sequence[str]) -> list[str]:
    """Return the options that a short name may mean; those of sampling are asked for by their full names."""
    key = _ALIASES.get(name, name)
    return (
        [path for path in known if path.endswith(f".{key}") and not path.startswith(SAMPLING)] if "." not in key else []
    )


def value_at(experiment: Experiment, path: str) -> Any:
    """Return the value an experiment has at a full name."""
    value: Any = {**experiment.tables(), SAMPLING: {}}
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def as_tables(paths: Iterable[str], value: Any) -> dict[str, Any]:
    """Return nested tables with one value at all these full names."""
    tables: dict[str, Any] = {}
    for path in paths:
        nested: Any = value
        for part in reversed(path.split(".")):
            nested = {part: nested}
        tables = merge(tables, nested)
    return tables


def as_settings(tables: Mapping[str, Any], before: str = "") -> list[str]:
    """Return nested tables as what `--set` takes, such as `model.lambda=0.01`."""
    settings = []
    for key, value in tables.items():
        if isinstance(value, Mapping):
            settings += as_settings(value, f"{before}{key}.")
        else:
            settings.append(f"{before}{key}={spell(value)}")
    return settings


def parse_values(text: str) -> list[Any]:
    """Return the values of `5,10,20`: TOML, and bare words as strings."""
    try:
        values: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        values = [_parse(part.strip()) for part in text.split(",")]
    return values


def spell(value: Any) -> str:
    """Return a value as one types it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(_quote(entry) for entry in value)}]"
    return str(value)


def _quote(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else spell(value)


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
