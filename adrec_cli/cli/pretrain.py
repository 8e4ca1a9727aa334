"""`adrec pretrain`."""

from __future__ import annotations

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, Computing, DatasetArgument, Force
from adrec_cli.cli.options.training import Training
from adrec_cli.cli.show.stages import show_stages


def pretrain(
    dataset: DatasetArgument = None,
    *,
    training: Training,
    force: Force = False,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:
    """Train ADRec's stage 1: item embeddings and the causal attention module."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.experiments.work import Work
    from adrec_cli.pipeline.train import train_first_stage

    with TrainingProgress(session.terminal) as progress:
        result = train_first_stage(
            dataset,
            workspace=common.workspace,
            experiment=training.experiment("adrec", ["pretrain"]),
            work=Work(options=training.compute_options(computing, force=force), stop=session.stop, on_event=progress),
        )
    show_stages(session.terminal, [result])
