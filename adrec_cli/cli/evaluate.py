"""`adrec evaluate`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetName, Raw
from adrec_cli.cli.options.ranking import Candidates, Denoising, Looking
from adrec_cli.cli.show.evaluation import describe, show_beyond_accuracy, show_metrics, show_slices
from adrec_cli.cli.show.terminal import Terminal

if TYPE_CHECKING:
    from adrec_cli.artifacts.evaluation import Evaluation


def evaluate(
    name: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", help="Path or bare name of a checkpoint, or mostpop for the baseline.",
                       autocompletion=completion.evaluable),
    ],
    *,
    dataset: DatasetName = None,
    part: Annotated[
        str,
        typer.Option(metavar="test|valid",
                help="Held-out items to rank: valid or test.", autocompletion=completion.among(["test", "valid"])),
    ] = "test",
    candidates: Candidates,
    raw: Raw = None,
    denoising: Denoising,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of drawn items and of sampling noise.")] = 0,
    slices: Annotated[
        bool, typer.Option("--slices",
                help="Report slices too: head and tail items, long and short histories, cold targets.")
    ] = False,
    beyond_accuracy: Annotated[
        bool, typer.Option("--beyond-accuracy",
                help="Report coverage, Gini, novelty, popularity and diversity of the lists too.")
    ] = False,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Rank held-out items with a checkpoint: HR, NDCG and MRR at 5, 10, 20 and 50.

    Several numbers of --steps, such as 1,2,4,8, give a table of quality against time instead.
    """
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline import evaluate as pipeline

    counts = denoising.step_counts()
    if len(counts) > 1:
        from adrec_cli.cli.show.step_study import show_step_study
        from adrec_cli.pipeline.step_study import study_steps

        with TrainingProgress(session.terminal) as progress:
            looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
            options = candidates.evaluation(
                computing, replace(denoising, steps=None), part=part, seed=seed, looking=looking
            )  # fmt: skip
            study = study_steps(
                name, counts, workspace=common.workspace, dataset_name=dataset, options=options, on_event=progress
            )
        show_step_study(session.terminal, study)
        return
    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        options = candidates.evaluation(
            computing, denoising, part=part, seed=seed, beyond_accuracy=beyond_accuracy, looking=looking
        )  # fmt: skip
        evaluation = pipeline.evaluate(
            name, workspace=common.workspace, dataset_name=dataset, options=options, on_event=progress
        )
    _show(session.terminal, evaluation, slices=slices)


def _show(terminal: Terminal, evaluation: Evaluation, *, slices: bool) -> None:
    if terminal.as_json:
        terminal.document(asdict(evaluation))
        return
    who = f"{evaluation.model} {evaluation.stage}".strip()
    show_metrics(terminal, f"{who} on {evaluation.dataset}, {evaluation.protocol}", evaluation.metrics)
    if slices:
        show_slices(terminal, evaluation)
    if evaluation.beyond_accuracy:
        show_beyond_accuracy(terminal, evaluation)
    for line in describe(evaluation):
        terminal.line(line)
