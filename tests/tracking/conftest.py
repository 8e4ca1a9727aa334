"""A training that is tracked, and one that is stopped on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.experiments.stage import StageResult
from adrec_cli.experiments.work import ComputeOptions, Work
from adrec_cli.pipeline.train import train
from adrec_cli.runtime import StopRequest
from adrec_cli.training.events import EpochDone

TABLES: dict[str, Any] = {
    "model": {"hidden_size": 8, "max_length": 10, "heads": 2, "blocks": 1},
    "training": {"batch_size": 32, "seed": 1},
    "stages": {"train": {"epochs": 4, "patience": 0}},
}
Train = Callable[..., StageResult]


@pytest.fixture
def tracked(workspace: Path) -> Train:
    """Train a small SASRec on the data set tiny, followed by what is asked for."""

    def typed(
        *asked: str, stop_after: int | None = None, events: list[object] | None = None, **options: Any
    ) -> StageResult:
        stop = StopRequest()

        def on_event(event: object) -> None:
            if events is not None:
                events.append(event)
            if isinstance(event, EpochDone) and event.epoch == stop_after:
                stop.signal_number = 15

        work = Work(options=ComputeOptions(threads=1, track=asked, **options), stop=stop, on_event=on_event)
        experiment = ExperimentOptions(overrides=TABLES)
        (result,) = train("tiny", model_name="sasrec", workspace=workspace, experiment=experiment, work=work)
        return result

    return typed
