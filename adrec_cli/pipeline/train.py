"""`adrec pretrain`, `align`, `finetune` and `train`: stages one by one, or all of a model in a row."""

from __future__ import annotations

import contextlib
from pathlib import Path

from adrec_cli.artifacts.lock import exclusive_to_learn
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import UsageError
from adrec_cli.experiments.chain import train_stages
from adrec_cli.experiments.inheritance import inherit_options
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.stage import StageResult, require_model, require_stage, run_stage
from adrec_cli.experiments.transfer import is_transfer, open_parent
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.loading.opening import (
    Dataset,
    as_it_is_now,
    dataset_folder_of,
    find_dataset,
)
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.wording import command


def train_first_stage(
    dataset_name: str | None,
    *,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> StageResult:
    """Train the first stage of a model: `adrec pretrain grocery`.

    Args:
        dataset_name: preprocessed; None takes the only one in the workspace.
        model_name: registered.
        workspace: where datasets are.
        experiment: presets, TOML and flags.
        work: device, threads, resuming; called with what happens.

    Raises:
        AdrecError: as `run_stage` and `find_dataset`.
    """
    dataset = find_dataset(Workspace(workspace).dataset_folder(dataset_name))
    composed = experiment.on_dataset(model_name, dataset.manifest.dataset)
    first = next(iter(composed.stages))
    if composed.stages[first].skip:
        raise UsageError(
            f"stage {first} is skipped with these options", hint=f"{command('train')} starts with {composed.planned[0]}"
        )
    with _lock(dataset, model_name, first, work):
        dataset = as_it_is_now(dataset)
        return run_stage(dataset, composed, first, parent=None, work=work)


def train_next_stage(
    stage_name: str,
    *,
    parent: str,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    dataset_name: str | None = None,
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> StageResult:
    """Train a later stage from the checkpoint of the one before: `adrec align --from pretrain.safetensors`.

    A model that knows items by their content alone (`model.content = "only"`) may have been trained on another data
    set, also in this very stage. The options the parent was trained with hold, unless a preset, a TOML file or a flag
    says otherwise.

    Args:
        stage_name: to train.
        parent: path or bare name of the checkpoint to start from.
        model_name, workspace, dataset_name, experiment, work: as `train_first_stage`.

    Raises:
        ArtifactError: the parent is missing, damaged, or of another stage, model or dataset.
        AdrecError: as `run_stage`.
    """
    space = Workspace(workspace)
    path = space.find_checkpoint(parent, dataset_name)
    dataset = find_dataset(dataset_folder_of(space, path, dataset_name))
    checkpoint = open_parent(path, dataset)
    require_model(checkpoint, model_name, wanted_by=stage_name)
    composed = experiment.compose(model_name, inherit_options(checkpoint))
    if not (is_transfer(path, dataset) and checkpoint.metadata.stage == stage_name):
        require_stage(checkpoint, composed.stage_before(stage_name), wanted_by=stage_name)
    with _lock(dataset, model_name, stage_name, work):
        dataset = as_it_is_now(dataset)
        checkpoint = open_parent(path, dataset)
        return run_stage(dataset, composed, stage_name, parent=checkpoint, work=work)


def train(
    dataset_name: str | None,
    *,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> list[StageResult]:
    """Train all stages of a model in a row, each skipped when it is up to date: `adrec train grocery`.

    Arguments and errors as `train_first_stage`.
    """
    dataset = find_dataset(Workspace(workspace).dataset_folder(dataset_name))
    composed = experiment.on_dataset(model_name, dataset.manifest.dataset)
    with _lock(dataset, model_name, "train", work):
        dataset = as_it_is_now(dataset)
        return train_stages(dataset, composed, work=work)


def _lock(dataset: Dataset, model_name: str, command_name: str, work: Work) -> contextlib.AbstractContextManager[None]:
    purpose = f"{command_name} {dataset.manifest.dataset}"
    return exclusive_to_learn(dataset.folder, [dataset.folder / model_name], purpose, work.waiting)
