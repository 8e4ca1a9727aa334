"""`adrec run`: preprocess, train, evaluate, promote: what is missing or out of date, in order. The command for cron."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.evaluation import Evaluation
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.nights import Drift
from adrec_cli.data.addresses import show_address
from adrec_cli.data.inbox import Inbox, InboxResult, check_inbox, inbox_dataset, require_dataset, take_files
from adrec_cli.data.source_names import choose_name, names_stored
from adrec_cli.errors import NotPromotedError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.stored import find_evaluation
from adrec_cli.experiments.chain import train_stages
from adrec_cli.experiments.content import wants_content
from adrec_cli.experiments.events import RunStepStarted, SourceRead, StartChosen, Warned
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.warm_start import FreshStart, WarmStart, warm_start
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.loading.opening import Checkpoint, Dataset, find_dataset, open_checkpoint
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.pipeline.preprocess import PreprocessOptions, PreprocessResult, lock_dataset, preprocess_locked
from adrec_cli.promotion.comparison import Comparison, compare_with_most_popular
from adrec_cli.promotion.indexing import index_promoted
from adrec_cli.promotion.noting import note_with_warnings
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.promotion.promote import Promotion, promote_if_good
from adrec_cli.schema import CHECKPOINT_SUFFIX, MANIFEST_FILE
from adrec_cli.wording import option, say_count, say_statistics


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """One step of a run.

    Attributes:
        name: preprocess, encode, a stage, evaluate, or promote.
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
        comparison: with the model that was current before; None where there was none.
        start: of the training.
        warnings, notes: of preprocessing, of drift, and where the model is below MostPopular; the notes say how the
            source was read and what was assumed.
        inbox: what became of its files; None without one.
        drift: since the nights before; None for the first one.
    """

    dataset: str
    model: str
    steps: list[RunStep]
    evaluation: Evaluation
    baseline: Evaluation
    current: str
    comparison: Comparison | None
    start: StartChosen
    warnings: list[str]
    notes: list[str]
    inbox: InboxResult | None = None
    drift: Drift | None = None


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run is made of besides its source, its model and where artifacts go.

    Attributes:
        raw: where raw files are.
        preprocessing, experiment, evaluation: of the steps.
        promotion: when a new model takes the place of the current one.
        cold: train from fresh weights rather than from the current model.
        inbox: whose new files are added to the data set, or make it.
    """

    raw: Path | None = None
    preprocessing: PreprocessOptions = PreprocessOptions()
    experiment: ExperimentOptions = ExperimentOptions()
    evaluation: EvaluationOptions = EvaluationOptions()
    promotion: PromotionOptions = PromotionOptions()
    cold: bool = False
    inbox: Inbox | None = None


def run(
    source: str,
    *,
    model_name: str = DEFAULT_MODEL,
    workspace: Path,
    options: RunOptions = RunOptions(),
    work: Work = UNATTENDED,
) -> RunSummary:
    """Bring a dataset's model up to date and promote it unless it is worse than the current one.

    Args:
        source: a named data set or a path, as `preprocess` takes it, or the name of what the workspace holds, which is
            taken as it is; with an inbox, the name of the data set.
        model_name: registered.
        workspace: where artifacts go.
        options: of the steps.
        work: called with `RunStepStarted`, `SourceRead`, `StartChosen`, `LockAwaited` and the steps' events.

    Raises:
        LockedError: another run works on the data set or the model; nothing was changed.
        NotPromotedError: the new model is worse; the current one stays.
        AdrecError: as the steps; whatever was finished stays and is not done again.
    """
    night = _Night(source=source, model_name=model_name, workspace=workspace, options=options, work=work)
    with night.hold_locks():
        return _run(night)


@dataclass(frozen=True, kw_only=True)
class _Night:
    """A run under way."""

    source: str
    model_name: str
    workspace: Path
    options: RunOptions
    work: Work

    @functools.cached_property
    def folder(self) -> Path:
        """The data set's.

        Raises:
            UsageError: with an inbox, the source names no data set.
        """
        preprocessing = self.options.preprocessing
        if self.options.inbox is not None:
            return self.workspace / inbox_dataset(self.source, preprocessing, self.workspace)
        return preprocessing.update or self.workspace / choose_name(self.source, preprocessing)

    def tell(self, event: object) -> None:
        """Report an event."""
        self.work.on_event(event)

    @contextlib.contextmanager
    def hold_locks(self) -> Iterator[None]:
        """Hold the locks of the data set and of the model, before anything is changed and until all is done."""
        inbox, update = self.options.inbox, self.options.preprocessing.update
        if inbox is not None:
            check_inbox(inbox)
        elif update is not None:
            # Not before it is known to be there: a lock makes its folder.
            read_manifest(update)
        # A configuration that cannot be used stops before data are read.
        self.options.experiment.on_dataset(self.model_name, self.folder.name)
        waiting = self.work.waiting
        purpose = f"run {show_address(self.source)} {option('model', self.model_name)}"
        with lock_dataset(self.folder, purpose, waiting), exclusive(self.folder / self.model_name, purpose, waiting):
            yield

    def preprocess(self, source: str, options: PreprocessOptions) -> PreprocessResult:
        """Read a source into the data set; the caller holds the locks."""
        return preprocess_locked(
            source, workspace=self.workspace, raw=self.options.raw, options=options, on_event=self.tell
        )


def _run(night: _Night) -> RunSummary:
    steps: list[RunStep] = []
    prepared = _prepare(night, steps)
    _encode(night, prepared, steps)
    # What is first read of it is what is trained and ranked on, whatever becomes of the files.
    dataset = find_dataset(night.folder)
    composed = night.options.experiment.on_dataset(night.model_name, dataset.manifest.dataset)
    start, last = _train(night, dataset, composed, steps)
    night.tell(RunStepStarted(name="evaluate"))
    evaluation, evaluation_step = _evaluate(night, dataset, last)
    baseline, _ = _evaluate(night, dataset, None)
    steps.append(evaluation_step)
    if below := compare_with_most_popular(evaluation, baseline):
        _warn(night, prepared.warnings, below)
    night.tell(RunStepStarted(name="promote"))
    try:
        promoted, promoted_step = _promote(night, dataset, last, composed.training, prepared.warnings)
    except NotPromotedError:
        _note(night, dataset, last, evaluation, promoted=False)
        raise
    steps += [promoted_step, *_index(night, dataset, last, promoted)]
    drift, drifted = _note(night, dataset, last, evaluation, promoted=True)
    prepared.warnings += drifted
    return RunSummary(
        dataset=dataset.manifest.dataset,
        model=night.model_name,
        steps=steps,
        evaluation=evaluation,
        baseline=baseline,
        current=promoted.checkpoint,
        comparison=promoted.comparison,
        start=start,
        warnings=prepared.warnings,
        notes=prepared.notes,
        inbox=prepared.inbox,
        drift=drift,
    )


def _warn(night: _Night, warnings: list[str], message: str) -> None:
    """Warn at once, and in the summary."""
    warnings.append(message)
    night.tell(Warned(message=message))


def _encode(night: _Night, prepared: _Prepared, steps: list[RunStep]) -> None:
    """Turn what is known of the items into vectors, if the model wants them and they are not those of these items."""
    if not wants_content(night.options.experiment.on_dataset(night.model_name, night.folder.name)):
        return
    night.tell(RunStepStarted(name="encode"))
    from adrec_cli.content.encoding import encode_if_stale

    started = time.perf_counter()
    done = encode_if_stale(night.folder)
    if done is not None:
        prepared.notes += done.assumptions
        prepared.warnings += done.warnings
        _tell_reading(night, list(done.assumptions), list(done.warnings))
    detail = (
        "as before"
        if done is None
        else f"{say_count(done.width, 'entry', 'entries')}; of {say_count(done.silent, 'item')} nothing is known"
    )
    status, seconds = ("up to date" if done is None else "done"), time.perf_counter() - started
    steps.append(RunStep(name="encode", status=status, seconds=seconds, detail=detail))


@dataclass(kw_only=True)
class _Prepared:
    """What came of the data: warnings and notes of reading, and what became of the inbox's files."""

    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inbox: InboxResult | None = None


def _prepare(night: _Night, steps: list[RunStep]) -> _Prepared:
    """Bring the data set up to date."""
    night.tell(RunStepStarted(name="preprocess"))
    started = time.perf_counter()
    found, inbox = _Prepared(), night.options.inbox
    if inbox is None and names_stored(night.source, night.options.preprocessing, night.workspace):
        status = "up to date"
    elif inbox is None:
        prepared = night.preprocess(night.source, night.options.preprocessing)
        found.warnings, found.notes = prepared.warnings, prepared.notes
        _tell_reading(night, prepared.notes, prepared.warnings)
        status = "up to date" if prepared.skipped else "done"
    else:
        found.inbox = take_files(inbox, night.folder, functools.partial(_take, night, found), night.tell)
        require_dataset(night.folder, inbox, found.inbox)
        status = "done" if found.inbox.taken else "up to date"
    detail = say_statistics(read_manifest(night.folder).statistics)
    if found.inbox is not None:
        detail = f"{say_count(len(found.inbox.taken), 'file')} taken; {detail}"
    steps.append(RunStep(name="preprocess", status=status, seconds=time.perf_counter() - started, detail=detail))
    return found


def _take(night: _Night, found: _Prepared, path: Path) -> None:
    """Add a file of the inbox to the data set, or make the data set of it."""
    there = (night.folder / MANIFEST_FILE).exists()
    options = dataclasses.replace(
        night.options.preprocessing,
        update=night.folder if there else None,
        name=None if there else night.folder.name,
    )
    taken = night.preprocess(str(path), options)
    notes, warnings = ([f"{path.name}: {line}" for line in lines] for lines in (taken.notes, taken.warnings))
    found.warnings += warnings
    found.notes += notes
    _tell_reading(night, notes, warnings)


def _tell_reading(night: _Night, notes: list[str], warnings: list[str]) -> None:
    """Tell of a source at once: a run that is stopped, or a model that is not promoted, must not swallow it."""
    night.tell(SourceRead(notes=tuple(notes)))
    for warning in warnings:
        night.tell(Warned(message=warning))


def _train(
    night: _Night, dataset: Dataset, experiment: Experiment, steps: list[RunStep]
) -> tuple[StartChosen, Checkpoint]:
    """Train the stages, if possible from the current model; return what was reported of the start, and the last one."""
    folder = dataset.folder / night.model_name
    begin = FreshStart() if night.options.cold else warm_start(dataset, folder, experiment)
    start = _describe_start(begin)
    night.tell(start)
    warm = begin if isinstance(begin, WarmStart) else None
    stages = train_stages(
        dataset, warm.experiment if warm else experiment, start=warm.checkpoint if warm else None, work=night.work
    )
    steps += [_describe_stage(stage.stage, stage.skipped, stage.seconds, stage.metadata.metrics) for stage in stages]
    return start, open_checkpoint(folder / f"{experiment.planned[-1]}{CHECKPOINT_SUFFIX}", dataset)


def _describe_stage(name: str, skipped: bool, seconds: float, metrics: dict[str, Any]) -> RunStep:
    value = metrics["values"].get(metrics["monitor"])
    detail = "no validation events" if value is None else f"{metrics['monitor']} {value:.4f} ({metrics['protocol']})"
    return RunStep(name=name, status="up to date" if skipped else "done", seconds=seconds, detail=detail)


def _evaluate(night: _Night, dataset: Dataset, checkpoint: Checkpoint | None) -> tuple[Evaluation, RunStep]:
    """Evaluate unless the stored evaluation is of the very same checkpoint, data, options and code."""
    stored = evaluation = find_evaluation(dataset, checkpoint, night.options.evaluation)
    if evaluation is None:
        from adrec_cli.evaluating.evaluation import evaluate_opened

        evaluation = evaluate_opened(dataset, checkpoint, night.options.evaluation, night.tell)
    detail = f"ndcg@10 {evaluation.metrics['ndcg@10']:.4f}, hr@10 {evaluation.metrics['hr@10']:.4f}"
    return evaluation, RunStep(
        name="evaluate",
        status="up to date" if stored else "done",
        seconds=0.0 if stored else evaluation.seconds,
        detail=f"{detail} ({evaluation.protocol})",
    )


def _describe_start(start: WarmStart | FreshStart) -> StartChosen:
    if isinstance(start, FreshStart):
        return StartChosen(checkpoint=None, reason=start.reason)
    return StartChosen(checkpoint=start.checkpoint.path.name, known=start.known, new=start.new, removed=start.removed)


def _promote(
    night: _Night, dataset: Dataset, checkpoint: Checkpoint, training: TrainingConfig, warnings: list[str]
) -> tuple[Promotion, RunStep]:
    started = time.perf_counter()
    promoted = promote_if_good(
        dataset, checkpoint, training=training, options=night.options.promotion, device=night.work.options.device,
        warn=functools.partial(_warn, night, warnings), again=night.work.options.force,
    )  # fmt: skip
    against = "".join(f"; {comparison}" for comparison in promoted.comparisons)
    return promoted, RunStep(
        name="promote",
        status="done" if promoted.done else "up to date",
        seconds=time.perf_counter() - started,
        detail=f"{promoted.checkpoint}{against}",
    )


def _note(
    night: _Night, dataset: Dataset, last: Checkpoint, evaluation: Evaluation, *, promoted: bool
) -> tuple[Drift | None, list[str]]:
    """Note the night, and warn of what has drifted."""
    threshold = night.options.promotion.warn_drift
    drift, warnings = note_with_warnings(dataset, last, evaluation, promoted=promoted, threshold=threshold)
    for line in warnings:
        night.tell(Warned(message=line))
    return drift, warnings


def _index(night: _Night, dataset: Dataset, checkpoint: Checkpoint, promoted: Promotion) -> list[RunStep]:
    """Give the promoted model an index of its items where one is wanted."""
    started = time.perf_counter()
    copy = dataset.folder / night.model_name / promoted.checkpoint
    found = index_promoted(dataset, checkpoint, copy, night.options.promotion)
    if found is None:
        return []
    record, built = found
    detail = f"{say_count(record.items, 'item')}, recall@100 {record.recall:.4f} of {say_count(record.queries, 'user')}"
    if not record.pool:
        detail += " is below .99: answers stay exact"
    return [
        RunStep(
            name="index",
            status="done" if built else "up to date",
            seconds=time.perf_counter() - started,
            detail=detail,
        )
    ]
