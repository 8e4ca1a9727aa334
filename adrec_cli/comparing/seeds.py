"""Trains a model again with several seeds, in folders of their own beside it, so that figures can be averaged."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.lock import exclusive_to_learn
from adrec_cli.comparing.contenders import Contender
from adrec_cli.config import merge
from adrec_cli.errors import UsageError
from adrec_cli.experiments.adoption import adopt_stage
from adrec_cli.experiments.events import SeedStarted
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.inheritance import inherit_options
from adrec_cli.experiments.keys import stage_key
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.stage import run_stage
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset, as_it_is_now, open_checkpoint
from adrec_cli.schema import SEED_FOLDER
from adrec_cli.wording import option


def train_with_seeds(
    dataset: Dataset,
    contender: Contender,
    count: int,
    *,
    experiment: ExperimentOptions,
    work: Work,
) -> list[Checkpoint]:
    """Return the contender's checkpoint of each seed: that of its options, the one after it, and so on.

    Each lies in `MODEL/seed-S/`; what is up to date there, or in the model's own folder, is not trained again. The
    model's own folder is not touched. The caller holds `lock_seeds`.

    Args:
        dataset: to learn from.
        contender: its options are used where there are no others.
        count: of seeds.
        experiment: preset, TOML and flags; with any of them the contender's own options do not count.
        work: called with `SeedStarted` and the events of `run_stage`.

    Raises:
        AdrecError: as `run_stage`.
    """
    base = _choose_experiment(dataset, contender, experiment)
    if contender.stage is not None and contender.stage not in base.planned:
        raise UsageError(f"{contender.name} is not trained with these options", hint=f"stages: {base.planned}")
    found = []
    for seed in _seeds(base, count):
        work.on_event(SeedStarted(model=contender.name, seed=seed))
        folder = seed_folder(dataset, contender.model, seed)
        seeded = dataclasses.replace(base, training=dataclasses.replace(base.training, seed=seed))
        found.append(_train(dataset, seeded, contender.stage, folder, work))
    return found


@contextlib.contextmanager
def lock_seeds(
    dataset: Dataset, contenders: Iterable[Contender], count: int, *, experiment: ExperimentOptions, work: Work
) -> Iterator[Dataset]:
    """Hold the locks of all that `train_with_seeds` writes for contenders, and yield the data set as it is then.

    Arguments as `train_with_seeds`.

    Raises:
        LockedError: another run works on one of the folders, or somebody is being forgotten.
    """
    folders = {
        seed_folder(dataset, contender.model, seed)
        for contender in contenders
        if contender.is_trained
        for seed in _seeds(_choose_experiment(dataset, contender, experiment), count)
    }
    purpose = f"compare {dataset.manifest.dataset} {option('seeds', count)}"
    with exclusive_to_learn(dataset.folder, folders, purpose, work.waiting):
        yield as_it_is_now(dataset)


def _seeds(experiment: Experiment, count: int) -> range:
    return range(experiment.training.seed, experiment.training.seed + count)


def seed_folder(dataset: Dataset, model_name: str, seed: int) -> Path:
    """Return where the checkpoints of a model and a seed lie."""
    return dataset.folder / model_name / f"{SEED_FOLDER}{seed}"


def _train(
    dataset: Dataset,
    experiment: Experiment,
    last: str | None,
    folder: Path,
    work: Work,
) -> Checkpoint:
    """Train the stages up to the last one asked for."""
    parent: Checkpoint | None = None
    for name in experiment.planned:
        key = stage_key(dataset, experiment, name, parent)
        adopt_stage(folder, [dataset.folder / experiment.model_name], name, key)
        result = run_stage(dataset, experiment, name, parent=parent, work=work, folder=folder)
        parent = open_checkpoint(result.path, dataset)
        if name == last:
            break
    assert parent is not None
    return parent


def _choose_experiment(dataset: Dataset, contender: Contender, experiment: ExperimentOptions) -> Experiment:
    """Return what is trained: what is asked for, else the options of the model that is there, else the recipe."""
    asked = experiment.preset or experiment.config or experiment.overrides
    if contender.checkpoint is None or asked:
        return experiment.on_dataset(contender.model, dataset.manifest.dataset)
    return experiment.compose(contender.model, _draw_as_usual(inherit_options(contender.checkpoint)))


def _draw_as_usual(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return options whose stages draw weights as usual: those of a model that went on from another draw none."""
    stages = tables["stages"]
    if any(stage["fresh"] for stage in stages.values()):
        return dict(tables)
    without = {name: {key: value for key, value in stage.items() if key != "fresh"} for name, stage in stages.items()}
    return merge({name: table for name, table in tables.items() if name != "stages"}, {"stages": without})
