"""`adrec evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options import Common, Computing, DatasetName
from adrec_cli.cli.ranking_options import Candidates, Denoising
from adrec_cli.cli.terminal import Terminal
from adrec_cli.training.stages import STAGES

if TYPE_CHECKING:
    from adrec_cli.artifacts.report import Evaluation


def evaluate(
    name: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", help="Path or bare name of a checkpoint; mostpop for the baseline.",
                       autocompletion=completion.evaluable),
    ],
    *,
    dataset: DatasetName = None,
    part: Annotated[
        str,
        typer.Option(metavar="test|valid", help="Held-out items.", autocompletion=completion.among(["test", "valid"])),
    ] = "test",
    candidates: Candidates,
    denoising: Denoising,
    seed: Annotated[int, typer.Option(metavar="N", help="Of drawn items and of sampling noise.")] = 0,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Rank held-out items with a checkpoint: HR, NDCG and MRR at 5, 10, 20 and 50."""
    from adrec_cli.cli.training_progress import TrainingProgress
    from adrec_cli.pipeline import evaluate as pipeline

    options = candidates.evaluation(computing, denoising, part=part, seed=seed)
    with TrainingProgress(session.terminal) as progress:
        evaluation = pipeline.evaluate(
            name, workspace=common.workspace, dataset_name=dataset, options=options, on_event=progress
        )
    _show(session.terminal, evaluation)


def _show(terminal: Terminal, evaluation: Evaluation) -> None:
    if terminal.as_json:
        terminal.document(asdict(evaluation))
        return
    who = f"{evaluation.model} {evaluation.stage}".strip()
    show_metrics(terminal, f"{who} on {evaluation.dataset}, {evaluation.protocol}", evaluation.metrics)
    for line in describe(evaluation):
        terminal.line(line)


def show_metrics(terminal: Terminal, title: str, metrics: dict[str, float]) -> None:
    """Print metrics, one row for each and one column for each cut-off."""
    names = list(dict.fromkeys(name.partition("@")[0] for name in metrics))
    cutoffs = list(dict.fromkeys(name.partition("@")[2] for name in metrics))
    columns = ["metric", *(f"@{k}" for k in cutoffs)]
    rows = [[name.upper(), *(f"{metrics[f'{name}@{k}']:.4f}" for k in cutoffs)] for name in names]
    terminal.table(columns, rows, title=title, right=columns[1:])


def describe(evaluation: Evaluation) -> list[str]:
    """Return what one must know to compare the figures with others."""
    if evaluation.mask_seen:
        seen = "seen items are masked"
    elif evaluation.negatives_source:
        seen = f"negatives: {evaluation.negatives_source}"
    else:
        seen = "seen items are not masked (--mask-seen masks them)"
    cold = f", {evaluation.cold_targets:,} of them without a train event" if evaluation.cold_targets else ""
    lines = [
        f"protocol {evaluation.protocol}; {seen}",
        f"{evaluation.users:,} users, {evaluation.cases:,} targets{cold}",
    ]
    if _samples(evaluation):
        sampling = evaluation.sampling
        steps = (
            "as many reverse steps as trained with"
            if sampling["steps"] is None
            else f"{sampling['steps']} reverse steps"
        )
        noise = f"{sampling['noise']} noise of temperature {sampling['temperature']:g}, seed {sampling['seed']}"
        merged = f"; {sampling['samples']} samples merged by {sampling['merge']}" if sampling["samples"] > 1 else ""
        lines.append(f"sampling: {steps}, {noise}{merged}")
    return [*lines, f"ranked in {evaluation.seconds:.1f} s, stored in {evaluation.path}"]


def _samples(evaluation: Evaluation) -> bool:
    """Return whether what was ranked by comes out of a reverse diffusion."""
    stage = STAGES.get(evaluation.model, {}).get(evaluation.stage)
    return stage is not None and stage.output == "x_start"
