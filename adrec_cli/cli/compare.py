"""`adrec compare`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, Raw, find_typed
from adrec_cli.cli.options.declared import Offer
from adrec_cli.cli.options.evaluation import Evaluating, build_evaluation
from adrec_cli.cli.show.compare import show_comparison
from adrec_cli.comparing.options import SEVERAL_SEEDS, CompareOptions
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.work import ComputeOptions

EXAMPLES: Final = (
    "adrec compare grocery",
    "adrec compare grocery --models adrec,adrec/pretrain,sasrec --negatives 99 --markdown",
    "adrec compare grocery --models adrec,sasrec --seeds 3",
)


def compare(
    dataset: DatasetArgument = None,
    *,
    comparing: CompareOptions,
    evaluating: Annotated[Evaluating, Offer(without=("beyond_accuracy",))],
    raw: Raw = None,
    experiment: Annotated[ExperimentOptions, Offer(panel=SEVERAL_SEEDS)],
    compute: Annotated[ComputeOptions, Offer(without=("resume", "force", "max_steps", "max_time"))],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Print the metrics as a LaTeX table (booktabs).")] = False,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Put all trained models side by side: metrics with intervals, tests, time, and size."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.data.named_negatives import require_negatives_searched
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline import compare as pipeline

    require_negatives_searched(evaluating.values["negatives"], find_typed(raw))
    if markdown and latex:
        raise UsageError("--markdown and --latex do not go together", hint="give one of them")
    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        found = pipeline.compare(
            dataset,
            workspace=common.workspace,
            options=comparing,
            evaluation=build_evaluation(evaluating, looking),
            experiment=experiment,
            work=Work(options=compute, stop=session.stop, on_event=progress),
        )
    show_comparison(session.terminal, found, markup="latex" if latex else "markdown" if markdown else None)
