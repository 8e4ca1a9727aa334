"""The command line that runs a sweep or a search again, made of its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import SINGLE
from adrec_cli.sweeping.option_keys import as_settings, spell
from adrec_cli.sweeping.sweep_options import SweepOptions
from adrec_cli.sweeping.tune_options import TuneOptions
from adrec_cli.wording import command_anywhere

_USUAL_SAMPLING = {**asdict(Sampling()), **asdict(SINGLE)}


def sweep_command(dataset: str, model_name: str, options: SweepOptions, experiment: ExperimentOptions) -> str:
    """Return the command line that runs the same sweep, for people who want to see the same figures."""
    design, evaluation = options.design, options.evaluation
    return command_anywhere(
        "sweep",
        dataset,
        model=_unless_default(model_name),
        vary=[f"{varied.key}={','.join(spell(value) for value in varied.values)}" for varied in design.vary],
        ablate=list(design.ablate),
        grid=design.grid or None,
        base=design.base and None,
        seeds=design.seeds if design.seeds > 1 else None,
        name=design.name or None,
        **_list_training_options(experiment),
        negatives=evaluation.negatives_file or evaluation.negatives or None,
        mask_seen=evaluation.mask_seen or None,
        test=options.test or None,
        **find_unusual_sampling(asdict(evaluation.sampling) | asdict(evaluation.merging)),
    )


def tune_command(dataset: str, model_name: str, tuning: TuneOptions, experiment: ExperimentOptions) -> str:
    """Return the command line that searches the same options again."""
    return command_anywhere(
        "tune",
        dataset,
        model=_unless_default(model_name),
        search=[searched.typed for searched in tuning.search],
        trials=tuning.trials,
        pruner=tuning.pruner,
        search_seed=tuning.seed,
        name=tuning.name or None,
        **_list_training_options(experiment),
    )


def find_unusual_sampling(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of sampling and merging that is not the usual one.

    Args:
        chosen: fields of `Sampling` and `Merging`; what is left out is as usual. The seed is an option of its
            own, which also draws negatives, and is not looked at.
    """
    found = {key: chosen.get(key, usual) for key, usual in _USUAL_SAMPLING.items() if key != "seed"}
    return {key: str(value) for key, value in found.items() if value != _USUAL_SAMPLING[key]}


def _unless_default(name: str) -> str | None:
    return None if name == DEFAULT_MODEL else name


def _list_training_options(experiment: ExperimentOptions) -> dict[str, Any]:
    return {
        "preset": experiment.preset or None,
        "config": experiment.config,
        "set": as_settings(experiment.overrides),
    }
