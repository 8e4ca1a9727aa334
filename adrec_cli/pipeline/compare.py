"""`adrec compare`: all models of a data set side by side under one protocol, with intervals and tests."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from adrec_cli.artifacts.evaluation import Evaluation, read_ranks_of
from adrec_cli.artifacts.ranks import TargetRanks
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.comparing.contenders import Contender, find_contenders, list_contenders
from adrec_cli.comparing.costs import sum_training_costs
from adrec_cli.comparing.options import CompareOptions as CompareOptions
from adrec_cli.comparing.seeds import lock_seeds, train_with_seeds
from adrec_cli.comparing.side_by_side import Measured, ModelComparison, put_side_by_side
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.evaluating.stored import find_evaluation
from adrec_cli.events import OnEvent
from adrec_cli.experiments.events import EvaluationStarted
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import UNATTENDED, Work
from adrec_cli.loading.opening import Checkpoint, Dataset, open_dataset
from adrec_cli.models.registry import is_sampled
from adrec_cli.models.sampling import Sampling
from adrec_cli.ranking.samples import SINGLE
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.sweeping.tried import count_tried
from adrec_cli.wording import option


def compare(
    dataset_name: str | None,
    *,
    workspace: Path,
    options: CompareOptions = CompareOptions(),
    evaluation: EvaluationOptions = EvaluationOptions(),
    experiment: ExperimentOptions = ExperimentOptions(),
    work: Work = UNATTENDED,
) -> ModelComparison:
    """Compare models under one protocol, evaluating what has not been, or not as it is now.

    Args:
        dataset_name: preprocessed; None takes the only one in the workspace.
        workspace: where datasets are.
        options: which models and metrics, and how many seeds.
        evaluation: the protocol; sampling is for the models that do.
        experiment: of trainings with several seeds.
        work: at these; called with `EvaluationStarted`, `SeedStarted` and the events of training and ranking.

    Raises:
        AdrecError: a model asked for is missing, or what training and evaluating raise.
    """
    if not options.seeds and experiment != ExperimentOptions():
        raise UsageError(
            f"options of training are for {option('seeds')}", hint=f"give {option('seeds', '3')}, or leave them out"
        )
    folder = Workspace(workspace).dataset_folder(dataset_name)

    def compare_as_found() -> ModelComparison:
        return _compare(open_dataset(folder), options, evaluation, experiment, work)

    if options.seeds:
        return compare_as_found()
    # Nothing is locked: a run may exchange the data meanwhile.
    return read_steadily(lambda: [folder / MANIFEST_FILE], compare_as_found)


def _compare(
    dataset: Dataset,
    options: CompareOptions,
    evaluation: EvaluationOptions,
    experiment: ExperimentOptions,
    work: Work,
) -> ModelComparison:
    left_out: list[str] = []
    if options.models:
        contenders = find_contenders(dataset, options.models, may_be_missing=options.seeds > 0)
    else:
        contenders, left_out = list_contenders(dataset)
    tried, damaged = count_tried(dataset.folder)
    left_out += damaged
    measured = []
    held: contextlib.AbstractContextManager[Dataset] = contextlib.nullcontext(dataset)
    if options.seeds:
        held = lock_seeds(dataset, contenders, options.seeds, experiment=experiment, work=work)
    with held as dataset:
        for contender in contenders:
            checkpoints: list[Checkpoint | None] = [contender.checkpoint]
            if options.seeds and contender.is_trained:
                checkpoints = [*train_with_seeds(dataset, contender, options.seeds, experiment=experiment, work=work)]
            found = _measure(dataset, contender, checkpoints, evaluation, options, work.on_event)
            if found is None:
                left_out.append(f"{contender.name} is left out: it is not evaluated so, or has changed since")
            else:
                measured.append(dataclasses.replace(found, tried=tried[contender.model]))
    if not measured:
        raise ArtifactError(
            "nothing to compare: no model is evaluated so", hint=f"leave out {option('evaluate', False)}"
        )
    return put_side_by_side(
        dataset.manifest.dataset, measured, metrics=options.metrics, against=options.against, left_out=left_out
    )


def _measure(
    dataset: Dataset,
    contender: Contender,
    checkpoints: Sequence[Checkpoint | None],
    evaluation: EvaluationOptions,
    options: CompareOptions,
    on_event: OnEvent,
) -> Measured | None:
    """Return a model with what is known of each seed; None where it is not evaluated and is not to be."""
    told = []
    for checkpoint in checkpoints:
        found = _evaluate_with_ranks(partial(_evaluate, dataset, contender, checkpoint, evaluation, options, on_event))
        if found is None:
            return None
        told.append(found)
    trained = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    return Measured(
        name=contender.name,
        model=contender.model,
        seeds=[checkpoint.metadata.seed for checkpoint in trained],
        costs=[sum_training_costs(checkpoint) for checkpoint in trained],
        evaluations=[one for one, _ in told],
        ranks=[ranks for _, ranks in told],
    )


def _evaluate_with_ranks(evaluate: Callable[[], Evaluation | None]) -> tuple[Evaluation, TargetRanks] | None:
    """Return an evaluation and its ranks; None where there is none."""
    while (found := evaluate()) is not None:
        # Another command may have evaluated otherwise in between.
        if (ranks := read_ranks_of(found)) is not None:
            return found, ranks
    return None


def _evaluate(
    dataset: Dataset,
    contender: Contender,
    checkpoint: Checkpoint | None,
    evaluation: EvaluationOptions,
    options: CompareOptions,
    on_event: OnEvent,
) -> Evaluation | None:
    """Return the evaluation of a checkpoint, made now unless one is stored; None where that is not wanted."""
    if checkpoint is None or not is_sampled(contender.model, checkpoint.metadata.output):
        evaluation = dataclasses.replace(evaluation, sampling=Sampling(seed=evaluation.seed), merging=SINGLE)
    stored = find_evaluation(dataset, checkpoint, evaluation)
    if stored is not None or not options.evaluate:
        return stored
    on_event(EvaluationStarted(model=contender.name))
    from adrec_cli.evaluating.evaluation import evaluate_opened

    return evaluate_opened(dataset, checkpoint, evaluation, on_event)
