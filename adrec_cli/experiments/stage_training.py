"""Trains one stage from its starting weights to its checkpoint: what `run_stage` does when there is something to do."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from adrec_cli import __version__
from adrec_cli.artifacts.checkpoint import save_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.fitted_on import describe_cut
from adrec_cli.errors import InterruptedRun, Stopped
from adrec_cli.experiments.content import content_hashes
from adrec_cli.experiments.events import StageStarted, Warned
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.following import StageOrder
from adrec_cli.experiments.inexact_times import describe_doubts
from adrec_cli.experiments.keys import plugins_of
from adrec_cli.experiments.limits import RunLimits
from adrec_cli.experiments.preparing import prepare_training, restore_everywhere, validate_whole
from adrec_cli.experiments.stage_files import StageFiles
from adrec_cli.experiments.validation import name_monitored_protocol
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.runtime import set_threads
from adrec_cli.tracking.calling import track
from adrec_cli.tracking.tracked import TrackedTraining
from adrec_cli.training.events import EpochDone, TrainingWarning
from adrec_cli.training.item_blocks import gather_blocks
from adrec_cli.training.loop import StageTraining


@dataclass(frozen=True, kw_only=True)
class StageRun:
    """A stage that is to be trained; the caller of `train_stage` holds the folder's lock.

    Attributes:
        dataset, experiment, stage_name, parent: as `run_stage`.
        path: the checkpoint it writes.
        key: as `stage_key`.
    """

    dataset: Dataset
    experiment: Experiment
    stage_name: str
    parent: Checkpoint | None
    path: Path
    key: str


def train_stage(run: StageRun, limits: RunLimits, work: Work) -> CheckpointMetadata:
    """Train a stage, going on with what an interrupted run left, and save its checkpoint; return what that records.

    Raises:
        DivergedError, InterruptedRun: as `run_stage`.
    """
    dataset, experiment, stage_name, parent = run.dataset, run.experiment, run.stage_name, run.parent
    threads = set_threads(work.options.threads)
    order = StageOrder.of(
        dataset, experiment, stage_name, parent, key=run.key, device=work.options.device, threads=threads
    )
    order.send(work.processes)
    training = prepare_training(dataset, experiment, stage_name, parent, work)
    files = StageFiles(run.path, run.key)
    resumed = restore_everywhere(
        training, work.processes, functools.partial(files.restore, training, work.options.resume)
    )
    tracked = TrackedTraining(
        id=files.training_id,
        path=run.path,
        resumed_epoch=training.position.epoch if resumed else None,
        device=str(training.device),
        metadata=_describe(run, training, threads),
    )
    with track(tracked, work.options.track, work.on_event, failed=work.failed_callbacks) as on_event:
        work = replace(work, on_event=on_event)
        work.on_event(_describe_start(training, run, resumed=resumed))
        if training.model.reads_times and parent is None and (doubts := describe_doubts(dataset.sequences)):
            work.on_event(Warned(message=f"model.times: {doubts}"))
        with work.stop.defer():
            _train(training, files, limits, work)
            validate_whole(dataset, training)
            metadata = _describe(run, training, threads)
            with gather_blocks(training.blocks, training.model.state_dict()) as whole:
                save_checkpoint(run.path, whole, metadata)
            files.finish()
    return metadata


def _describe_start(training: StageTraining, run: StageRun, *, resumed: bool) -> StageStarted:
    return StageStarted(
        stage=training.name,
        path=run.path,
        resumed_epoch=training.position.epoch if resumed else None,
        resumed_step=training.position.step if resumed else None,
        sequences=len(training.windows),
        tokens=training.windows.tokens,
        trained_parameters=_count(training, training.trained.values()),
        parameters=_count(training, training.model.parameters()),
        monitor=training.config.monitor,
        processes=training.processes.count,
        parts=training.config.accumulate,
        left_out=run.experiment.left_out.get(training.name, ""),
    )


def _count(training: StageTraining, weights: Iterable[torch.Tensor]) -> int:
    """Return how many numbers weights have, those of other processes' blocks included."""
    weights, blocks = list(weights), training.blocks
    elsewhere = blocks.elsewhere if blocks is not None and any(one is blocks.weight for one in weights) else 0
    return sum(one.numel() for one in weights) + elsewhere


def _train(training: StageTraining, files: StageFiles, limits: RunLimits, work: Work) -> None:
    """Go through the stage's events, saving on the way; a signal or a limit ends it with the state saved.

    A stage whose last epoch is done is handed over whatever came meanwhile.
    """
    before = training.position.total_steps

    def go_on(event: object) -> bool:
        if isinstance(event, EpochDone):
            files.log(event)
        if training.blocks is None:
            files.save_now_and_then(training)
        work.on_event(event)
        if not training.finished:
            work.stop.check()
            limits.check(training, training.position.total_steps - before)
        return training.blocks is not None and files.is_due()

    try:
        with contextlib.closing(training.events()) as events:
            for event in events:
                # Other processes need not have the same warnings.
                if isinstance(event, TrainingWarning):
                    work.on_event(event)
                else:
                    save, *_ = work.processes.gather(functools.partial(go_on, event))
                    if save:
                        # The blocks of item vectors come from all processes.
                        files.save(training)
    except Stopped as stopped:
        saved = _save_what_is_whole(training, files)
        reason = "" if work.stop.signal_number is not None else f": {stopped.message}"
        raise InterruptedRun(
            f"{training.name} stopped in epoch {training.position.epoch + 1} and {saved}{reason}",
            signal_number=stopped.exit_code - 128,
            hint="run the same command again to resume it",
        ) from stopped
    finally:
        work.stop.trained_steps += training.position.total_steps - before


def _save_what_is_whole(training: StageTraining, files: StageFiles) -> str:
    """Save the state of a training that is to stop; say what became of it."""
    if training.blocks is not None and training.processes.lost:
        return "kept what was saved last, as blocks of item vectors are lost"
    files.save(training)
    return "saved"


def _describe(run: StageRun, training: StageTraining, threads: int) -> CheckpointMetadata:
    """Return what the checkpoint of a trained stage records."""
    dataset, experiment, parent = run.dataset, run.experiment, run.parent
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
        run_key=run.key,
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
        former_sequences=sorted(parent.metadata.all_sequences - {dataset.manifest.sequences_sha256}) if parent else [],
        cut=describe_cut(dataset.manifest),
    )
