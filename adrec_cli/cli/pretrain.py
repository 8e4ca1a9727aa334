"""`adrec pretrain`."""

from __future__ import annotations

from typing import Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, Sharing
from adrec_cli.cli.show.stages import show_stages
from adrec_cli.experiments.options import TrainingOptions

EXAMPLES: Final = (
    "adrec pretrain grocery",
    "adrec pretrain grocery --epochs 20 --set model.hidden_size=64",
)


def pretrain(
    dataset: DatasetArgument = None,
    *,
    training: TrainingOptions,
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
            work=session.work(training.compute, progress),
        )
    show_stages(session.terminal, [result])
