"""Runs one stage of training on a dataset: skipped when up to date, resumed when unfinished, saved when done."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from adrec_cli import __version__
from adrec_cli.artifacts.checkpoint import save_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.errors import ArtifactError, InterruptedRun, Stopped
from adrec_cli.experiments.content import content_hashes, on_content
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.following import StageOrder, agree_after
from adrec_cli.experiments.keys import plugins_of, stage_key, up_to_date
from adrec_cli.experiments.limits import RunLimits
from adrec_cli.experiments.preparing import prepare_training, restore_everywhere
from adrec_cli.experiments.stage_files import StageFiles
from adrec_cli.experiments.validation import make_monitored_scorer, name_monitored_protocol, prepare_validation
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.base import FAST_SAMPLING
from adrec_cli.runtime import StopRequest, set_threads
from adrec_cli.schema import CHECKPOINT_SUFFIX
from adrec_cli.training.events import EpochDone
from adrec_cli.training.loop import StageTraining
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins.

    Attributes:
        stage, path: which, and the checkpoint it will write.
        resumed_epoch, resumed_step: epochs done in an earlier run, and steps of the next; None for a fresh start.
        sequences, tokens: it learns from.
        trained_parameters, parameters: numbers in what is trained, and in all of the model.
        monitor: the metric that decides.
    """

    stage: str
    path: Path
    resumed_epoch: int | None
    resumed_step: int | None
    sequences: int
    tokens: int
    trained_parameters: int
    parameters: int
    monitor: str


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
        return StageResult(stage=stage_name, path=path, metadata=done, skipped=True, seconds=0.0)
    limits = RunLimits(work)
    limits.require_left(stage_name)
    threads = set_threads(work.options.threads)
    order = StageOrder.of(dataset, experiment, stage_name, parent, key=key, device=work.options.device, threads=threads)
    order.send(work.processes)
    training = prepare_training(dataset, experiment, stage_name, parent, work)
    files = StageFiles(path, key)
    resumed = restore_everywhere(
        training, work.processes, functools.partial(files.restore, training, work.options.resume)
    )
    work.on_event(_describe_start(training, path, resumed=resumed))
    with work.stop.defer():
        _train(training, files, limits, work)
        _validate_whole(dataset, training)
        metadata = _describe(dataset, experiment, training, parent, key, threads)
        save_checkpoint(path, training.model.state_dict(), metadata)
        files.finish()
    if work.stop.signal_number is not None:
        raise work.stop.to_error(f"{stage_name} is finished and saved; what follows was not begun")
    return StageResult(
        stage=stage_name, path=path, metadata=metadata, skipped=False, seconds=time.perf_counter() - started
    )


def _describe_start(training: StageTraining, path: Path, *, resumed: bool) -> StageStarted:
    return StageStarted(
        stage=training.name,
        path=path,
        resumed_epoch=training.position.epoch if resumed else None,
        resumed_step=training.position.step if resumed else None,
        sequences=len(training.windows),
        tokens=training.windows.tokens,
        trained_parameters=sum(weight.numel() for weight in training.trained.values()),
        parameters=sum(weight.numel() for weight in training.model.parameters()),
        monitor=training.config.monitor,
    )


def _train(training: StageTraining, files: StageFiles, limits: RunLimits, work: Work) -> None:
    """Go through the stage's events, saving on the way; a signal or a limit ends it with the state saved.

    A stage whose last epoch is done is handed over whatever came meanwhile.
    """
    before = training.position.total_steps

    def go_on(event: object) -> None:
        if isinstance(event, EpochDone):
            files.log(event)
        files.save_now_and_then(training)
        work.on_event(event)
        if not training.finished:
            work.stop.check()
            limits.check(training, training.position.total_steps - before)

    try:
        with contextlib.closing(training.events()) as events:
            for event in events:
                agree_after(event, work.processes, functools.partial(go_on, event))
    except Stopped as stopped:
        files.save(training)
        reason = "" if work.stop.signal_number is not None else f": {stopped.message}"
        raise InterruptedRun(
            f"{training.name} stopped in epoch {training.position.epoch + 1} and saved{reason}",
            signal_number=stopped.exit_code - 128,
            hint="run the same command again to go on where it stopped",
        ) from stopped
    finally:
        work.stop.trained_steps += training.position.total_steps - before


def _validate_whole(dataset: Dataset, training: StageTraining) -> None:
    """Rank all validation targets with the weights that are handed over, where epochs were monitored on some only."""
    if not training.config.monitor_users:
        return
    scorer = make_monitored_scorer(training.model, training.stage.output, training.device)
    validate = prepare_validation(dataset, scorer, training.config, stop=StopRequest())
    training.position.best_metrics = dict(validate())


def _describe(
    dataset: Dataset,
    experiment: Experiment,
    training: StageTraining,
    parent: Checkpoint | None,
    key: str,
    threads: int,
) -> CheckpointMetadata:
    tables = experiment.tables()
    protocol = name_monitored_protocol(dataset, experiment.training)
    return CheckpointMetadata(
        model=experiment.model_name,
        stage=training.name,
        output=training.stage.output,
        config=tables["model"],
        training={"training": tables["training"], "stages": tables["stages"]},
        dataset=dataset.manifest.dataset,
        sequences_sha256=dataset.manifest.sequences_sha256,
        items_sha256=dataset.manifest.items_sha256,
        item_count=dataset.items.height,
        parent_sha256=parent.sha256 if parent else "",
        run_key=key,
        epoch=training.position.best_epoch,
        step=training.position.best_step,
        metrics={
            "protocol": protocol.code,
            "sampling": asdict(FAST_SAMPLING),
            "monitor": experiment.training.monitor,
            "values": training.position.best_metrics,
        },
        seed=experiment.training.seed,
        threads=threads,
        adrec_version=__version__,
        torch_version=torch.__version__,
        content=content_hashes(dataset, experiment),
        plugins=plugins_of(experiment, training.name),
    )


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
