"""All stages of an experiment in a row."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.experiments.events import OnEvent
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.stage import RunOptions, StageResult, run_stage
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    open_checkpoint,
)
from adrec_cli.runtime import StopRequest


def train_stages(
    dataset: Dataset,
    experiment: Experiment,
    *,
    start: Checkpoint | None = None,
    options: RunOptions,
    stop: StopRequest,
    on_event: OnEvent,
    folder: Path | None = None,
) -> list[StageResult]:
    """Train all stages of an experiment in a row, from `start` if there is one; the caller holds the folder's lock.

    Args:
        dataset, experiment, options, stop, on_event, folder: as `run_stage`.
        start: the checkpoint the first stage starts from; None for fresh weights.
    """
    results: list[StageResult] = []
    parent = start
    for stage_name in experiment.planned:
        result = run_stage(
            dataset, experiment, stage_name, parent=parent, options=options, stop=stop, on_event=on_event, folder=folder
        )
        results.append(result)
        parent = open_checkpoint(result.path, dataset)
    return results
