"""What every option means, its default and its range: as the dataclasses say it that take the options."""

from __future__ import annotations

import difflib
import inspect
import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin, get_type_hints

from adrec_cli.config import MOST, build, option_names
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import EVERY_STAGE, SAMPLING, Experiment
from adrec_cli.models.registry import find_facts
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging

_EVERY_STAGE: Final = f"stages.{EVERY_STAGE}"
_ODD: Final = "?"
"""A value that no option of names has: who refuses it lists those there are."""
_NAMES: Final[dict[type, str]] = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True, kw_only=True)
class DescribedOption:
    """An option.

    Attributes:
        key: full name, such as `model.dropout`; `stages.*.KEY` where all stages have the same default.
        default: of this model; None where it depends on what it is used with.
        range: what it may be.
        meaning: what it decides.
    """

    key: str
    default: Any
    range: str
    meaning: str

    @property
    def trained_with(self) -> bool:
        """Whether configuration files have it; what a model ranks with is given where it ranks."""
        return not self.key.startswith(f"{SAMPLING}.")


def describe_options(experiment: Experiment) -> list[DescribedOption]:
    """Return all options of an experiment, those of the model first."""
    found = _of_table("model", experiment.model) + _of_table("training", experiment.training)
    found += _of_stages(experiment)
    if find_facts(experiment.model_name).sampled_outputs:
        found += _of_table(SAMPLING, Sampling()) + _of_table(SAMPLING, Merging())
    return found


def choose_options(options: Sequence[DescribedOption], key: str, model_name: str) -> list[DescribedOption]:
    """Return the options that a name means: a full one, a table such as `model`, or the end of a name.

    Raises:
        UsageError: there is none; the hint has near ones.
    """
    wanted = key.strip().lower().replace("-", "_")
    stage = re.fullmatch(r"stages\.[a-z]\w*(\..+)?", wanted)
    general = _EVERY_STAGE + (stage[1] or "") if stage else wanted
    ways = (
        lambda one: one.key in (wanted, general),
        lambda one: one.key.startswith((f"{wanted}.", f"{general}.")),
        lambda one: one.key.endswith(f".{wanted}"),
    )
    stages = {one.key.split(".")[1] for one in options if one.key.startswith("stages.")} - {"*"}
    for matches in ways:
        found = [one for one in options if matches(one)]
        if found and not (stage and stages and wanted.split(".")[1] not in stages):
            return found
    names = {name: one.key for one in options for name in (one.key, one.key.rpartition(".")[2])}
    near = dict.fromkeys(names[name] for name in difflib.get_close_matches(wanted, names, n=3))
    guess = f"did you mean: {', '.join(near)}?" if near else "one of the tables: model, training, stages, sampling"
    raise UsageError(f"no option of {model_name} is called {key!r}", hint=guess)


def _of_stages(experiment: Experiment) -> list[DescribedOption]:
    """Return the options of stages; what is the same in all of them once."""
    by_stage = [_of_table(f"stages.{name}", stage) for name, stage in experiment.stages.items()]
    found = []
    for alike in zip(*by_stage, strict=True):
        first = alike[0]
        if all(one.default == first.default for one in alike):
            key = f"{_EVERY_STAGE}.{first.key.rpartition('.')[2]}" if len(alike) > 1 else first.key
            found.append(DescribedOption(key=key, default=first.default, range=first.range, meaning=first.meaning))
        else:
            found += alike
    return found


def _of_table(table: str, options: Any) -> list[DescribedOption]:
    kind = type(options)
    meanings = _read_meanings(kind)
    return [
        DescribedOption(
            key=f"{table}.{name}",
            default=getattr(options, field),
            range=_find_range(options, name, get_type_hints(kind)[field]),
            meaning=meanings.get(field, ""),
        )
        for name in option_names(kind)
        for field in [name if hasattr(options, name) else f"{name}_"]
    ]


def _read_meanings(kind: type[Any]) -> dict[str, str]:
    """Return what the docstrings of a dataclass, and of those it builds on, say of its fields."""
    meanings: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        _, _, attributes = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        names: list[str] = []
        for line in attributes.splitlines():
            if begun := re.fullmatch(r" {4}(\w+(?:, \w+)*): (.*)", line):
                names = begun[1].split(", ")
                meanings |= dict.fromkeys(names, begun[2])
            elif line.startswith(" " * 8):
                meanings |= {name: f"{meanings[name]} {line.strip()}" for name in names}
            else:
                names = []
    return meanings


def _find_range(options: Any, name: str, hint: Any) -> str:
    """Return what an option may be, as its dataclass says it when it refuses what no option may be."""
    kind = next(one for one in get_args(hint) if one is not type(None)) if isinstance(hint, types.UnionType) else hint
    if get_origin(kind) is tuple:
        return "list of names"
    told = _NAMES[kind]
    if kind is str:
        return _refusal(options, name, _ODD, r"one of: (.*)") or told
    if kind is bool:
        return told
    bound = _refusal(options, name, kind(-1), rf"(?:\w+\.)?{re.escape(name)} (?:must )?(.+), got .*")
    bound = bound.removeprefix("be ").replace("not be negative", "at least 0").replace("positive", "above 0")
    bound = bound.removeprefix("a finite number, ")
    most = f"at most {MOST[name]:,}" if name in MOST else ""
    return ", ".join(part for part in (told, bound, most) if part)


def _refusal(options: Any, name: str, value: Any, pattern: str) -> str:
    """Return what a dataclass says, in message or hint, when it refuses a value; "" where it does not say it so."""
    try:
        build(type(options), {name: value}, where="", base=options)
    except UsageError as error:
        for text in (error.message, error.hint):
            if found := re.fullmatch(pattern, text):
                return str(found[1])
    return ""
