"""Runs one stage of training on a dataset: skipped when up to date, resumed when unfinished, saved when done."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.errors import ArtifactError
from adrec_cli.experiments.content import on_content
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.keys import stage_key, up_to_date
from adrec_cli.experiments.limits import RunLimits
from adrec_cli.experiments.stage_files import StageFiles
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.schema import CHECKPOINT_SUFFIX
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage left.

    Attributes:
        stage, path, metadata: the checkpoint.
        skipped: it was up to date and nothing was done.
        seconds: of this run.
    """

    stage: str
    path: Path
    metadata: CheckpointMetadata
    skipped: bool
    seconds: float


def run_stage(
    dataset: Dataset,
    experiment: Experiment,
    stage_name: str,
    *,
    parent: Checkpoint | None,
    work: Work,
    folder: Path | None = None,
) -> StageResult:
    """Train one stage, or say that its checkpoint is up to date. The caller holds the folder's lock.

    Args:
        dataset: to learn from.
        experiment: model, options and stages.
        stage_name: one of the experiment's stages.
        parent: the checkpoint it starts from; None for a first stage.
        work: called with `StageStarted`, `StepDone` and `EpochDone`.
        folder: to write into; None takes the model's.

    Raises:
        DivergedError: stopped before a step that is not finite; the last saved state and checkpoint stay.
        InterruptedRun: stopped by a signal or at a limit after saving the state.
    """
    started = time.perf_counter()
    experiment = on_content(dataset, experiment)
    path = (folder or dataset.folder / experiment.model_name) / f"{stage_name}{CHECKPOINT_SUFFIX}"
    key = stage_key(dataset, experiment, stage_name, parent)
    done = None if work.options.force else up_to_date(path, key)
    if done is not None:
        StageFiles(path, key).forget()
        done = _say_as_asked(path, done, experiment)
        return StageResult(stage=stage_name, path=path, metadata=done, skipped=True, seconds=0.0)
    limits = RunLimits(work)
    limits.require_left(stage_name)
    # Only here, where there is something to do: it loads PyTorch.
    from adrec_cli.experiments.stage_training import StageRun, train_stage

    metadata = train_stage(
        StageRun(dataset=dataset, experiment=experiment, stage_name=stage_name, parent=parent, path=path, key=key),
        limits,
        work,
    )
    if work.stop.signal_number is not None:
        raise work.stop.to_error(f"{stage_name} is finished and saved; what follows was not begun")
    return StageResult(
        stage=stage_name, path=path, metadata=metadata, skipped=False, seconds=time.perf_counter() - started
    )


def _say_as_asked(path: Path, metadata: CheckpointMetadata, experiment: Experiment) -> CheckpointMetadata:
    """Have a checkpoint record the network's options as asked for: its key lets those differ that its stage ignores.

    Stages that go on from it inherit them.
    """
    config = experiment.tables()["model"]
    if metadata.config == config:
        return metadata
    tensors, _ = load_checkpoint(path)
    asked = dataclasses.replace(metadata, config=config)
    save_checkpoint(path, tensors, asked)
    return asked


def require_model(checkpoint: Checkpoint, model_name: str, *, wanted_by: str) -> None:
    """Refuse a checkpoint of another model than a stage is of.

    Raises:
        ArtifactError: naming both.
    """
    if checkpoint.metadata.model != model_name:
        raise ArtifactError(
            f"{checkpoint.path} is a {checkpoint.metadata.model!r} model, {wanted_by} starts from {model_name!r}",
            hint=f"name a checkpoint of {model_name} with {option('parent')}",
        )


def require_stage(checkpoint: Checkpoint, stage_name: str, *, wanted_by: str) -> None:
    """Refuse a checkpoint of another stage than the one before, and say what to type.

    Raises:
        ArtifactError: it is of another stage.
    """
    if checkpoint.metadata.stage != stage_name:
        raise ArtifactError(
            f"{checkpoint.path} is of stage {checkpoint.metadata.stage!r}, {wanted_by} starts from stage "
            f"{stage_name!r}",
            hint=command(wanted_by, parent=f"{stage_name}{CHECKPOINT_SUFFIX}"),
        )
