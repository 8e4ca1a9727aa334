"""`adrec evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName, Raw, SharingUsers, find_typed
from adrec_cli.cli.options.evaluation import Evaluating, build_evaluation
from adrec_cli.cli.show.evaluation import describe, show_beyond_accuracy, show_metrics, show_slices
from adrec_cli.cli.show.step_study import show_step_study
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.models.sampling import parse_step_counts
from adrec_cli.training.processes import Processes, compute_after_first

if TYPE_CHECKING:
    from adrec_cli.artifacts.evaluation import Evaluation
    from adrec_cli.evaluating.options import EvaluationOptions


EXAMPLES: Final = (
    "adrec evaluate finetune.safetensors",
    "adrec evaluate finetune --negatives 99 --steps 1 --noise zero",
    "adrec evaluate finetune --steps 1,2,4,8,16,32",
    "adrec evaluate mostpop --dataset grocery --json",
)


def evaluate(
    name: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", help="Path or bare name of a checkpoint, or mostpop for the baseline.",
                       autocompletion=completion.evaluable),
    ],
    *,
    dataset: DatasetName = None,
    evaluating: Evaluating,
    raw: Raw = None,
    slices: Annotated[
        bool, typer.Option("--slices",
                help="Report slices too: head and tail items, long and short histories, cold targets.")
    ] = False,
    sharing: SharingUsers,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Rank held-out items with a checkpoint: HR, NDCG and MRR at 5, 10, 20 and 50.

    Several numbers of --steps, such as 1,2,4,8, give a table of quality against time instead.
    """
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.data.named_negatives import require_negatives_searched
    from adrec_cli.pipeline import evaluate as pipeline

    require_negatives_searched(evaluating.values["negatives"], find_typed(raw))
    counts = [] if evaluating.values["steps"] is None else parse_step_counts(evaluating.values["steps"])
    processes = session.processes
    if not processes.first:
        options = _build(evaluating, Looking(raw=raw, workspace=common.workspace), counts, processes)
        pipeline.share_evaluation(
            name, workspace=common.workspace, dataset_name=dataset, options=options, processes=processes
        )
        return
    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        options = _build(evaluating, looking, counts, processes)
        if len(counts) > 1:
            from adrec_cli.pipeline.step_study import study_steps

            study = study_steps(
                name, counts, workspace=common.workspace, dataset_name=dataset, options=options, on_event=progress
            )
        else:
            evaluation = pipeline.evaluate(
                name, workspace=common.workspace, dataset_name=dataset, options=options, on_event=progress,
                processes=processes,
            )  # fmt: skip
    if len(counts) > 1:
        show_step_study(session.terminal, study)
    else:
        _show(session.terminal, evaluation, slices=slices, processes=processes.count)


def _build(evaluating: Evaluating, looking: Looking, counts: Sequence[int], processes: Processes) -> EvaluationOptions:
    """Return what was typed, with negatives that are here."""

    def build() -> EvaluationOptions:
        if len(counts) <= 1:
            return build_evaluation(evaluating, looking)
        if processes.count > 1:
            raise UsageError(
                "several numbers of --steps are compared by the time that one process takes",
                hint="leave out --devices and torchrun, or give one number of --steps",
            )
        return build_evaluation(evaluating.leave_out("steps"), looking, beyond_accuracy=False)

    # A download is the first one's.
    return compute_after_first(build, processes)


def _show(terminal: Terminal, evaluation: Evaluation, *, slices: bool, processes: int) -> None:
    if terminal.as_json:
        terminal.document(asdict(evaluation))
        return
    who = f"{evaluation.model} {evaluation.stage}".strip()
    show_metrics(terminal, f"{who} on {evaluation.dataset}, {evaluation.protocol}", evaluation.metrics)
    if slices:
        show_slices(terminal, evaluation)
    if evaluation.beyond_accuracy:
        show_beyond_accuracy(terminal, evaluation)
    for line in describe(evaluation, processes):
        terminal.line(line)
