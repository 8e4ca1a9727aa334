"""`adrec finetune`."""

from __future__ import annotations

from typing import Annotated

from adrec_cli.cli.command import Session
from adrec_cli.cli.options import Common, Computing, DatasetName, Force, parent_option
from adrec_cli.cli.stages_shown import show_stages
from adrec_cli.cli.training_options import Training


def finetune(
    *,
    parent: Annotated[str, parent_option("align")] = "align.safetensors",
    dataset: DatasetName = None,
    training: Training,
    force: Force = False,
    computing: Computing,
    common: Common,
    session: Session,
) -> None:
    """Train ADRec's stage 3: everything together."""
    from adrec_cli.cli.training_progress import TrainingProgress
    from adrec_cli.pipeline.train import train_next_stage

    with TrainingProgress(session.terminal) as progress:
        result = train_next_stage(
            "finetune",
            parent=parent,
            workspace=common.workspace,
            dataset_name=dataset,
            experiment=training.experiment("adrec", ["finetune"]),
            options=training.run_options(computing, force=force),
            stop=session.stop,
            on_event=progress,
        )
    show_stages(session.terminal, [result])
