"""`adrec pretrain`, `align`, `finetune` and `train`: stages one by one, or all of a model in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.models.registry import model_entry
from adrec_cli.pipeline.experiment import Experiment, compose, dataset_recipe
from adrec_cli.pipeline.opening import Checkpoint, Dataset, open_checkpoint, open_dataset, require_same_weights
from adrec_cli.pipeline.stage import (
    OnEvent,
    RunOptions,
    StageResult,
    ignore,
    require_model,
    require_stage,
    run_stage,
)
from adrec_cli.runtime import StopRequest


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """Where the options of a training come from, besides defaults and the parent checkpoint.

    Attributes:
        preset: a name, or None.
        config: a TOML file, or None.
        overrides: tables from flags, on top of everything.
    """

    preset: str | None = None
    config: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def on_dataset(self, model_name: str, dataset_name: str) -> Experiment:
        """Return the experiment that starts a model on a dataset; a preset takes the place of the dataset's recipe."""
        return self.compose(model_name, {} if self.preset else dataset_recipe(dataset_name, model_name))

    def compose(self, model_name: str, inherited: Mapping[str, Any]) -> Experiment:
        """Return the experiment of a model on top of inherited tables."""
        return compose(
            model_name, inherited=inherited, preset=self.preset, config=self.config, overrides=self.overrides
        )


def train_first_stage(
    dataset_name: str | None,
    *,
    model_name: str = "adrec",
    workspace: Path,
    experiment: ExperimentOptions = ExperimentOptions(),
    options: RunOptions = RunOptions(),
    stop: StopRequest | None = None,
    on_event: OnEvent = ignore,
) -> StageResult:
    """Train the first stage of a model: `adrec pretrain grocery`.

    Args:
        dataset_name: preprocessed; None takes the only one in the workspace.
        model_name: registered.
        workspace: where datasets are.
        experiment: presets, TOML and flags.
        options: device, threads, resuming.
        stop: asked between steps.
        on_event: told what happens.

    Raises:
        AdrecError: as `run_stage` and `open_dataset`.
    """
    dataset = open_dataset(Workspace(workspace).dataset_folder(dataset_name))
    composed = experiment.on_dataset(model_name, dataset.manifest.dataset)
    first = next(iter(composed.stages))
    if composed.stages[first].skip:
        raise UsageError(
            f"stage {first} is skipped with these options", hint=f"adrec train starts with {composed.planned[0]}"
        )
    with exclusive(dataset.folder / model_name, f"{first} {dataset.manifest.dataset}"):
        return run_stage(
            dataset, composed, first, parent=None, options=options, stop=stop or StopRequest(), on_event=on_event
        )


def train_next_stage(
    stage_name: str,
    *,
    parent: str,
    model_name: str = "adrec",
    workspace: Path,
    dataset_name: str | None = None,
    experiment: ExperimentOptions = ExperimentOptions(),
    options: RunOptions = RunOptions(),
    stop: StopRequest | None = None,
    on_event: OnEvent = ignore,
) -> StageResult:
    """Train a later stage from the checkpoint of the one before: `adrec align --from pretrain.safetensors`.

    The options the parent was trained with hold, unless a preset, a TOML file or a flag says otherwise.

    Args:
        stage_name: to train.
        parent: path or bare name of the checkpoint to start from.
        model_name, workspace, dataset_name, experiment, options, stop, on_event: as `train_first_stage`.

    Raises:
        ArtifactError: the parent is missing, damaged, or of another stage, model or dataset.
        AdrecError: as `run_stage`.
    """
    space = Workspace(workspace)
    path = space.find_checkpoint(parent, dataset_name)
    dataset = open_dataset(dataset_folder_of(space, path, dataset_name))
    checkpoint = open_checkpoint(path, dataset)
    require_model(checkpoint, model_name, wanted_by=stage_name)
    composed = experiment.compose(model_name, inherited_options(checkpoint))
    require_stage(checkpoint, composed.stage_before(stage_name), wanted_by=stage_name)
    with exclusive(dataset.folder / model_name, f"{stage_name} {dataset.manifest.dataset}"):
        return run_stage(
            dataset, composed, stage_name, parent=checkpoint, options=options, stop=stop or StopRequest(),
            on_event=on_event,
        )  # fmt: skip


def train(
    dataset_name: str | None,
    *,
    model_name: str = "adrec",
    workspace: Path,
    experiment: ExperimentOptions = ExperimentOptions(),
    options: RunOptions = RunOptions(),
    stop: StopRequest | None = None,
    on_event: OnEvent = ignore,
) -> list[StageResult]:
    """Train all stages of a model in a row, each skipped when it is up to date: `adrec train grocery`.

    Arguments and errors as `train_first_stage`.
    """
    dataset = open_dataset(Workspace(workspace).dataset_folder(dataset_name))
    composed = experiment.on_dataset(model_name, dataset.manifest.dataset)
    with exclusive(dataset.folder / model_name, f"train {dataset.manifest.dataset}"):
        return train_stages(dataset, composed, options=options, stop=stop or StopRequest(), on_event=on_event)


def train_stages(
    dataset: Dataset,
    experiment: Experiment,
    *,
    start: Checkpoint | None = None,
    options: RunOptions,
    stop: StopRequest,
    on_event: OnEvent,
    folder: Path | None = None,
) -> list[StageResult]:
    """Train all stages of an experiment in a row, from `start` if there is one; the caller holds the folder's lock.

    Args:
        dataset, experiment, options, stop, on_event, folder: as `run_stage`.
        start: the checkpoint the first stage starts from; None for fresh weights.
    """
    results: list[StageResult] = []
    parent = start
    for stage_name in experiment.planned:
        result = run_stage(
            dataset, experiment, stage_name, parent=parent, options=options, stop=stop, on_event=on_event, folder=folder
        )
        results.append(result)
        parent = open_checkpoint(result.path, dataset)
    return results


def dataset_folder_of(space: Workspace, checkpoint: Path, dataset_name: str | None) -> Path:
    """Return the folder of the named dataset, or of the one the checkpoint lies in."""
    if dataset_name is None and checkpoint.resolve().is_relative_to(space.root.resolve()):
        dataset_name = checkpoint.resolve().relative_to(space.root.resolve()).parts[0]
    return space.dataset_folder(dataset_name)


def inherited_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the tables of options a checkpoint was trained with, in the form `compose` reads.

    Raises:
        ArtifactError: nothing can have been trained with them.
    """
    tables = {"model": checkpoint.metadata.config, **checkpoint.metadata.training}
    try:
        described = compose(checkpoint.metadata.model, inherited=tables).model
        outline = model_entry(checkpoint.metadata.model).outline(described, checkpoint.metadata.item_count)
        require_same_weights(checkpoint.tensors, outline.state_dict())
    except (UsageError, ArtifactError) as error:
        raise ArtifactError(
            f"{checkpoint.path} says of itself what cannot be: {error.message}", hint="train it anew"
        ) from error
    return tables
