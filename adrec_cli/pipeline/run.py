"""`adrec run`: preprocess, train, evaluate, promote: what is missing or out of date, in order. The command for cron."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.promotion import promote, read_current
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.errors import ArtifactError, NotPromotedError
from adrec_cli.pipeline.evaluate import (
    Evaluation,
    EvaluationOptions,
    evaluate_opened,
    protocol_of,
    report_path,
)
from adrec_cli.pipeline.opening import Checkpoint, Dataset, open_checkpoint, open_dataset, restore_model
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, preprocess
from adrec_cli.pipeline.stage import OnEvent, RunOptions, ignore, validation
from adrec_cli.pipeline.train import ExperimentOptions, train_stages
from adrec_cli.runtime import StopRequest, resolve_device
from adrec_cli.schema import CHECKPOINT_SUFFIX, CURRENT_FILE, ITEMS_FILE
from adrec_cli.training.stages import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """One step of a run.

    Attributes:
        name: preprocess, a stage, evaluate, or promote.
        status: "done", "up to date" or "not promoted".
        seconds: of this run.
        detail: one line for people.
    """

    name: str
    status: str
    seconds: float
    detail: str


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run did and how good the result is.

    Attributes:
        steps: in order.
        evaluation, baseline: of the trained model and of MostPopular on test.
        current: the promoted checkpoint, relative to the model's folder.
        warnings: of preprocessing.
    """

    dataset: str
    model: str
    steps: list[RunStep]
    evaluation: Evaluation
    baseline: Evaluation
    current: str
    warnings: list[str]


@dataclass(frozen=True, kw_only=True)
class RunStepStarted:
    """A step begins."""

    name: str


def run(
    source: str,
    *,
    model_name: str = "adrec",
    workspace: Path,
    raw: Path | None = None,
    preprocessing: PreprocessOptions = PreprocessOptions(),
    experiment: ExperimentOptions = ExperimentOptions(),
    evaluation: EvaluationOptions = EvaluationOptions(),
    options: RunOptions = RunOptions(),
    tolerance: float = 0.0,
    stop: StopRequest | None = None,
    on_event: OnEvent = ignore,
) -> RunSummary:
    """Bring a dataset's model up to date and promote it unless it is worse than the current one.

    Args:
        source: a named data set or a path, as `preprocess` takes it.
        model_name: registered.
        workspace: where artifacts go.
        raw: where raw files are.
        preprocessing, experiment, evaluation, options: of the steps.
        tolerance: how much lower than the current model's the monitored validation metric may be.
        stop: asked between training steps.
        on_event: told `RunStepStarted` and what the steps tell.

    Raises:
        NotPromotedError: the new model is worse; the current one stays.
        AdrecError: as the steps; whatever was finished stays and is not done again.
    """
    stop = stop or StopRequest()
    steps: list[RunStep] = []
    prepared = _preprocess(source, workspace, raw, preprocessing, steps, on_event)
    dataset = open_dataset(prepared.folder)
    folder = dataset.folder / model_name
    with exclusive(folder, f"run {source} --model {model_name}"):
        composed = experiment.on_dataset(model_name, dataset.manifest.dataset)
        for result in train_stages(dataset, composed, options=options, stop=stop, on_event=on_event):
            steps.append(_stage_step(result.stage, result.skipped, result.seconds, result.metadata.metrics))
        last = open_checkpoint(folder / f"{list(composed.stages)[-1]}{CHECKPOINT_SUFFIX}", dataset)
        on_event(RunStepStarted(name="evaluate"))
        measured, measured_step = _evaluate(dataset, last, evaluation, on_event)
        baseline, _ = _evaluate(dataset, None, evaluation, on_event)
        steps.append(measured_step)
        steps.append(_promote(dataset, folder, last, composed.training, tolerance, options.device, stop))
    return RunSummary(
        dataset=dataset.manifest.dataset,
        model=model_name,
        steps=steps,
        evaluation=measured,
        baseline=baseline,
        current=steps[-1].detail,
        warnings=prepared.warnings,
    )


def _preprocess(
    source: str,
    workspace: Path,
    raw: Path | None,
    options: PreprocessOptions,
    steps: list[RunStep],
    on_event: OnEvent,
) -> PreprocessResult:
    on_event(RunStepStarted(name="preprocess"))
    started = time.perf_counter()
    prepared = preprocess(source, workspace=workspace, raw=raw, options=options, on_event=on_event)
    counts = prepared.manifest.statistics
    detail = f"{counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} interactions"
    status = "up to date" if prepared.skipped else "done"
    steps.append(RunStep(name="preprocess", status=status, seconds=time.perf_counter() - started, detail=detail))
    return prepared


def _stage_step(name: str, skipped: bool, seconds: float, metrics: dict[str, Any]) -> RunStep:
    value = metrics["values"].get(metrics["monitor"])
    detail = "no validation events" if value is None else f"{metrics['monitor']} {value:.4f} ({metrics['protocol']})"
    return RunStep(name=name, status="up to date" if skipped else "done", seconds=seconds, detail=detail)


def _evaluate(
    dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions, on_event: OnEvent
) -> tuple[Evaluation, RunStep]:
    """Evaluate unless the stored report is of the very same checkpoint, data, options and code."""
    stored = _stored_report(dataset, checkpoint, options)
    evaluation = stored or evaluate_opened(dataset, checkpoint, options, on_event)
    detail = f"ndcg@10 {evaluation.metrics['ndcg@10']:.4f}, hr@10 {evaluation.metrics['hr@10']:.4f}"
    return evaluation, RunStep(
        name="evaluate",
        status="up to date" if stored else "done",
        seconds=0.0 if stored else evaluation.seconds,
        detail=f"{detail} ({evaluation.protocol})",
    )


def _stored_report(dataset: Dataset, checkpoint: Checkpoint | None, options: EvaluationOptions) -> Evaluation | None:
    if options.negatives_file is not None:
        return None
    path = report_path(dataset, checkpoint, protocol_of(dataset, options, options.negatives))
    try:
        stored = Evaluation(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        # Missing, or not a report of this version: it is measured anew and overwritten.
        return None
    fresh = (
        stored.checkpoint_sha256 == (checkpoint.sha256 if checkpoint else "")
        and stored.sequences_sha256 == dataset.manifest.sequences_sha256
        and stored.sampling == asdict(options.sampling)
        and stored.seed == options.seed
        and stored.code_sha256 == code_sha256()
    )
    return stored if fresh else None


def _promote(
    dataset: Dataset,
    folder: Path,
    checkpoint: Checkpoint,
    training: TrainingConfig,
    tolerance: float,
    device: str,
    stop: StopRequest,
) -> RunStep:
    """Make the checkpoint current unless the one that is current is better on the same validation targets."""
    started = time.perf_counter()
    metrics = checkpoint.metadata.metrics
    monitor, value = metrics["monitor"], metrics["values"].get(metrics["monitor"])
    current = read_current(folder)
    if current is not None and current.sha256 == checkpoint.sha256 and (folder / current.checkpoint).is_file():
        return RunStep(name="promote", status="up to date", seconds=0.0, detail=current.checkpoint)
    if current is not None and value is not None and (folder / current.checkpoint).is_file():
        before = _current_value(dataset, folder / current.checkpoint, training, device, stop)
        if before is not None and value < before - tolerance:
            raise NotPromotedError(
                f"the new model's {monitor} is {value:.4f}, the current one's {before:.4f} on the same "
                f"{metrics['protocol']} targets; {folder / CURRENT_FILE} stays",
                hint="look at the data and the log; --tolerance allows for noise",
            )
    promoted = promote(
        folder, checkpoint.path, checkpoint.sha256, items=dataset.folder / ITEMS_FILE,
        items_sha256=dataset.manifest.items_sha256, protocol=metrics["protocol"], metric=monitor, value=value,
    )  # fmt: skip
    return RunStep(name="promote", status="done", seconds=time.perf_counter() - started, detail=promoted.checkpoint)


def _current_value(
    dataset: Dataset, path: Path, training: TrainingConfig, device_name: str, stop: StopRequest
) -> float | None:
    """Return the current model's monitored metric on this dataset's validation targets.

    None where it belongs to other items, so that nothing can be compared.
    """
    try:
        current = open_checkpoint(path, dataset)
    except ArtifactError:
        return None
    device = resolve_device(device_name)
    model = restore_model(current, device)
    output = current.metadata.output
    metrics = validation(dataset, model, output=output, training=training, device=device, stop=stop)()
    return (metrics or {}).get(training.monitor)
