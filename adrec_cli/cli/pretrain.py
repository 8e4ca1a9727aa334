"""`adrec pretrain`."""

from __future__ import annotations

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetArgument, Force, Sharing
from adrec_cli.cli.options.training import Training
from adrec_cli.cli.show.stages import show_stages


def pretrain(
    dataset: DatasetArgument = None,
    *,
    training: Training,
    force: Force = False,
    computing: Computing,
    sharing: Sharing,
    common: Common,
    session: Session,
) -> None:
    """Train ADRec's stage 1: item embeddings and the causal attention module."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline.train import train_first_stage

    with TrainingProgress(session.terminal) as progress:
        result = train_first_stage(
            dataset,
            workspace=common.workspace,
            experiment=training.experiment("adrec", ["pretrain"]),
            work=session.work(training.compute_options(computing, force=force), progress),
        )
    show_stages(session.terminal, [result])
