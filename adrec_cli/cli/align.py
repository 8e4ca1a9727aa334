"""`adrec align`."""

from __future__ import annotations

from typing import Annotated, Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetName, Sharing, parent_option
from adrec_cli.cli.show.stages import show_stages
from adrec_cli.experiments.options import TrainingOptions

EXAMPLES: Final = ("adrec align --from pretrain.safetensors",)


def align(
    *,
    parent: Annotated[str, parent_option("pretrain")] = "pretrain.safetensors",
    dataset: DatasetName = None,
    training: TrainingOptions,
    sharing: Sharing,
    common: Common,
    session: Session,
) -> None:
    """Train ADRec's stage 2: the modules that attend and denoise, with the item embeddings frozen."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline.train import train_next_stage

    with TrainingProgress(session.terminal) as progress:
        result = train_next_stage(
            "align",
            parent=parent,
            workspace=common.workspace,
            dataset_name=dataset,
            experiment=training.experiment("adrec", ["align"]),
            work=session.work(training.compute, progress),
        )
    show_stages(session.terminal, [result])
