"""`adrec train`."""

from __future__ import annotations

from typing import Final

from adrec_cli.cli.command import Session
from adrec_cli.cli.options.common import Common, DatasetArgument, ModelName, Sharing
from adrec_cli.cli.show.stages import show_stages
from adrec_cli.experiments.options import TrainingOptions
from adrec_cli.models.registry import DEFAULT_MODEL

EXAMPLES: Final = (
    "adrec train grocery",
    "adrec train grocery --preset report",
    "adrec train grocery --config my.toml",
)


def train(
    dataset: DatasetArgument = None,
    *,
    model: ModelName = DEFAULT_MODEL,
    training: TrainingOptions,
    sharing: Sharing,
    common: Common,
    session: Session,
) -> None:
    """Train all stages of a model in a row; what is up to date is skipped."""
    from adrec_cli.cli.show.training_progress import TrainingProgress
    from adrec_cli.pipeline import train as pipeline

    with TrainingProgress(session.terminal) as progress:
        results = pipeline.train(
            dataset,
            model_name=model,
            workspace=common.workspace,
            experiment=training.experiment(model),
            work=session.work(training.compute, progress),
        )
    show_stages(session.terminal, results)
