"""The command line that runs a sweep or a search again, made of its options."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.sweeping.design import Design
from adrec_cli.sweeping.option_keys import as_settings, shown
from adrec_cli.sweeping.sampling_flags import sampling_flags
from adrec_cli.sweeping.tune_options import TuneOptions


def sweep_command(
    dataset: str,
    model_name: str,
    design: Design,
    experiment: ExperimentOptions,
    evaluation: EvaluationOptions,
    *,
    test: bool,
) -> str:
    """Return the command line that runs the same sweep, for people who want to see the same figures."""
    words = ["adrec", "sweep", dataset, *_model(model_name)]
    for varied in design.vary:
        words += ["--vary", f"{varied.key}={','.join(shown(value) for value in varied.values)}"]
    for name in design.ablate:
        words += ["--ablate", name]
    words += ["--grid"] * design.grid + ["--no-base"] * (not design.base)
    words += ["--seeds", str(design.seeds)] if design.seeds > 1 else []
    words += ["--name", design.name] if design.name else []
    words += _experiment(experiment)
    if evaluation.negatives or evaluation.negatives_file:
        words += ["--negatives", str(evaluation.negatives_file or evaluation.negatives)]
    words += ["--mask-seen"] * evaluation.mask_seen + ["--test"] * test
    words += sampling_flags(asdict(evaluation.sampling) | asdict(evaluation.merging))
    return shlex.join(words)


def tune_command(dataset: str, model_name: str, tuning: TuneOptions, experiment: ExperimentOptions) -> str:
    """Return the command line that searches the same options again."""
    words = ["adrec", "tune", dataset, *_model(model_name)]
    for searched in tuning.search:
        words += ["--search", searched.typed]
    words += ["--trials", str(tuning.trials), "--pruner", tuning.pruner, "--search-seed", str(tuning.seed)]
    words += ["--name", tuning.name] if tuning.name else []
    return shlex.join([*words, *_experiment(experiment)])


def _model(name: str) -> list[str]:
    return [] if name == "adrec" else ["--model", name]


def _experiment(experiment: ExperimentOptions) -> list[str]:
    words = ["--preset", experiment.preset] if experiment.preset else []
    words += ["--config", str(experiment.config)] if experiment.config else []
    for setting in as_settings(experiment.overrides):
        words += ["--set", setting]
    return words
