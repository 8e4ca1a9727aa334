"""`adrec compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from adrec_cli.cli import completion
from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetArgument, Raw
from adrec_cli.cli.options.compare import Comparing, Seeds
from adrec_cli.cli.options.ranking import Candidates, Denoising, Looking
from adrec_cli.cli.show.compare import show_comparison


def compare(
    dataset: DatasetArgument = None,
    *,
    part: Annotated[
        str,
        typer.Option(metavar="test|valid",
                help="Held-out items to rank: valid or test.", autocompletion=completion.among(["test", "valid"])),
    ] = "test",
    comparing: Comparing,
    candidates: Candidates,
    raw: Raw = None,
    denoising: Denoising,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of drawn items and of sampling noise.")] = 0,
    seeds: Seeds,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table in Markdown.")] = False,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:  # fmt: skip
    """Put all trained models side by side: metrics with intervals, tests, time, and size."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.experiments.work import ComputeOptions, Work
    from adrec_cli.pipeline import compare as pipeline

    with TrainingProgress(session.terminal) as progress:
        looking = Looking(raw=raw, workspace=common.workspace, on_event=progress)
        found = pipeline.compare(
            dataset,
            workspace=common.workspace,
            options=comparing.options(seeds=seeds.seeds),
            evaluation=candidates.evaluation(
                computing,
                denoising,
                part=part,
                seed=seed,
                looking=looking,
            ),
            experiment=seeds.experiment(),
            work=Work(
                options=ComputeOptions(device=computing.device, threads=computing.threads),
                stop=session.stop,
                on_event=progress,
            ),
        )
    show_comparison(session.terminal, found, markdown=markdown)
