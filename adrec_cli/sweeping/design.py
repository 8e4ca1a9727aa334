"""Which runs a sweep consists of: one option at a time around a base, all combinations, and ablations."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adrec_cli.config import build, merge, option_names
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.experiment import SAMPLING, Experiment
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import Merging
from adrec_cli.sweeping.option_keys import as_tables, resolve_option, spell, value_at
from adrec_cli.sweeping.sweep_options import Design
from adrec_cli.wording import option

BASE = "base"
ABLATION = "ablation"
"""What stands as key of a run that is an ablation."""

T = TypeVar("T", Sampling, Merging)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a sweep.

    Attributes:
        name: such as lambda=0.01, three-stage, or base.
        key, value: what is varied and to what, as typed; both "" for the base, ("ablation", its name) for an ablation.
        seed: of the training.
        experiment: with the changes.
        sampling, merging: by which it is ranked.
    """

    name: str
    key: str
    value: str
    seed: int
    experiment: Experiment
    sampling: Sampling
    merging: Merging


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What sets a run apart from the base; its attributes are those of `Run`, and the tables that do it."""

    name: str = BASE
    key: str = ""
    value: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)


def plan(
    design: Design,
    *,
    model_name: str,
    dataset_name: str,
    experiment: ExperimentOptions,
    evaluation: EvaluationOptions,
    ablations: Mapping[str, Mapping[str, Any]],
) -> list[Run]:
    """Return the runs of a sweep, all composed and so checked before the first one begins; all of a seed together.

    Args:
        design: what is tried.
        model_name, dataset_name, experiment: of the base.
        evaluation: of the base.
        ablations: tables by name, for this model.

    Raises:
        UsageError: an unknown option or ablation, an ambiguous name, or a value out of range.
    """
    base = experiment.on_dataset(model_name, dataset_name)
    for name in design.ablate:
        if name not in ablations:
            known = ", ".join(ablations) or f"none for {model_name}"
            raise UsageError(f"unknown ablation {name!r}", hint=f"one of: {known}")
    changes = [_Change()] if design.has_base else []
    changes += _list_changes(design, base)
    changes += [_Change(name=name, key=ABLATION, value=name, tables=ablations[name]) for name in design.ablate]
    runs = []
    for seed in range(base.training.seed, base.training.seed + design.seeds):
        for change in changes:
            tables = merge(experiment.overrides, change.tables)
            of_sampling = tables.pop(SAMPLING, {})
            if design.seeds > 1:
                tables = merge(tables, {"training": {"seed": seed}})
            options = dataclasses.replace(experiment, overrides=tables)
            composed = options.on_dataset(model_name, dataset_name)
            runs.append(
                Run(
                    name=change.name,
                    key=change.key,
                    value=change.value,
                    seed=composed.training.seed,
                    experiment=composed,
                    sampling=_replace(evaluation.sampling, of_sampling),
                    merging=_replace(evaluation.merging, of_sampling),
                )
            )
    return runs


def base_values(design: Design, base: Experiment, evaluation: EvaluationOptions) -> dict[str, str]:
    """Return what the base has for each varied key, as one types it; several values where stages differ."""
    ranking = evaluation.sampled
    found = {}
    for varied in design.vary:
        paths = resolve_option(varied.key, base)
        values = [
            ranking[path.partition(".")[2]] if path.startswith(f"{SAMPLING}.") else value_at(base, path)
            for path in paths
        ]
        found[varied.key] = ",".join(dict.fromkeys(spell(value) for value in values))
    return found


def _replace(ranking: T, table: Mapping[str, Any]) -> T:
    """Return options of ranking with those keys of the table changed that are theirs."""
    own = {key: value for key, value in table.items() if key in option_names(type(ranking))}
    return build(type(ranking), own, where=f"[{SAMPLING}]", base=ranking)


def _list_changes(design: Design, base: Experiment) -> list[_Change]:
    paths = {varied.key: resolve_option(varied.key, base) for varied in design.vary}
    if design.seeds > 1 and ("training.seed",) in paths.values():
        raise UsageError("seeds are varied twice", hint=f"either {option('vary', 'seed=...')} or {option('seeds')}")
    single = [
        [
            _Change(
                name=f"{varied.key}={spell(value)}",
                key=varied.key,
                value=spell(value),
                tables=as_tables(paths[varied.key], value),
            )
            for value in varied.values
        ]
        for varied in design.vary
    ]
    if not design.grid:
        return list(itertools.chain.from_iterable(single))
    if not single:
        raise UsageError(f"{option('grid')} needs options to combine", hint=f"add {option('vary', 'KEY=VALUE,VALUE')}")
    return [
        _Change(
            name=",".join(change.name for change in combined),
            key=",".join(change.key for change in combined),
            value=",".join(change.value for change in combined),
            tables=merge(*(change.tables for change in combined)),
        )
        for combined in itertools.product(*single)
    ]
