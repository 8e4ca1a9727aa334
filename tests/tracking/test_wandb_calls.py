"""What Weights & Biases is called with, shown by a stand-in: no service, no files, and it need not be installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from adrec_cli.tracking.tracked import Callback, StageEnded, TrackedTraining
from adrec_cli.training.events import TrainingWarning
from tests.reporting.made_up import a_stage

CALLBACK = "adrec_cli.tracking.wandb"
METADATA = a_stage("sasrec", "train", training={"training": {"seed": 1}, "stages": {"train": {"epochs": 3}}}).metadata


class Run:
    """A run of W&B that remembers what it was called with."""

    offline, url = False, "https://wandb.example/run"

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.summary: dict[str, Any] = {}
        self.exit_codes: list[int] = []

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        """Take a metric's axis."""

    def finish(self, exit_code: int) -> None:
        """End."""
        self.exit_codes.append(exit_code)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Run]]:
    """The runs that are begun; the callback is imported again, beside a stand-in for W&B."""
    begun: list[Run] = []

    def init(**given: Any) -> Run:
        begun.append(Run(**given))
        return begun[-1]

    standing_in = ModuleType("wandb")
    vars(standing_in).update(init=init, Settings=dict)
    monkeypatch.setitem(sys.modules, "wandb", standing_in)
    sys.modules.pop(CALLBACK, None)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    yield begun
    # The next who imports it gets W&B.
    sys.modules.pop(CALLBACK, None)


def begin(place: str = "") -> Callback:
    """Begin to log to a place."""
    module = importlib.import_module(CALLBACK)
    training = TrackedTraining(
        id="abc", path=Path("m.safetensors"), resumed_epoch=None, device="cpu", metadata=METADATA, place=place
    )
    callback: Callback = module.WeightsAndBiases(training)
    return callback


@pytest.mark.parametrize(
    ("place", "variable", "project"), [("shops", "mine", "shops"), ("", "mine", "mine"), ("", None, "adrec")]
)
def test_the_project_is_the_place_else_the_variable_else_adrec(
    place: str, variable: str | None, project: str, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv("WANDB_PROJECT", variable)
    begin(place)
    given = runs[0].given
    assert (given["project"], given["id"], given["name"]) == (project, "abc", "sasrec train-abc")
    assert (given["group"], given["job_type"], given["resume"]) == ("tiny/sasrec", "train", "allow")


def test_a_training_that_is_done_ends_well_with_its_best_and_its_checkpoint(runs: list[Run]) -> None:
    callback = begin()
    callback(TrainingWarning(stage="train", epoch=2, message="it collapses"))
    callback(StageEnded(outcome="done", sha256="0a", metadata=METADATA))
    assert runs[0].summary == {
        "warning": "it collapses", "best/ndcg@10": 0.1234, "best/hr@10": 0.9, "best/epoch": 7,
        "checkpoint_sha256": "0a",
    }  # fmt: skip
    assert runs[0].exit_codes == [0]


@pytest.mark.parametrize("outcome", ["stopped", "failed"])
def test_a_training_that_is_not_done_ends_badly_with_the_reason(outcome: str, runs: list[Run]) -> None:
    callback = begin()
    callback(StageEnded(outcome=outcome, reason="SIGTERM"))
    assert runs[0].summary == {"reason": "SIGTERM"}
    assert runs[0].exit_codes == [1]
