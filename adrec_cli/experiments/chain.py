"""All stages of an experiment in a row."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.stage import StageResult, run_stage
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import (
    Checkpoint,
    Dataset,
    open_checkpoint,
)


def train_stages(
    dataset: Dataset,
    experiment: Experiment,
    *,
    start: Checkpoint | None = None,
    work: Work,
    folder: Path | None = None,
) -> list[StageResult]:
    """Train all stages of an experiment in a row, from `start` if there is one; the caller holds the folder's lock.

    Args:
        dataset, experiment, work, folder: as `run_stage`.
        start: the checkpoint the first stage starts from; None for fresh weights.
    """
    results: list[StageResult] = []
    parent = start
    for stage_name in experiment.planned:
        result = run_stage(dataset, experiment, stage_name, parent=parent, work=work, folder=folder)
        results.append(result)
        parent = open_checkpoint(result.path, dataset)
    return results
