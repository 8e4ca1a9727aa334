"""A trial of a search counts epochs and seconds over its stages, those of earlier runs and of other trials too."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.experiment import compose
from adrec_cli.experiments.work import Work
from adrec_cli.sweeping.events import StageShared
from adrec_cli.sweeping.search_space import parse_searched, search_space
from adrec_cli.sweeping.trial_training import TrialTraining, _Watch
from adrec_cli.training.events import EpochDone

EPOCHS = {"pretrain": 4, "align": 1, "finetune": 3}
BASE = compose("adrec", overrides={"stages": {name: {"epochs": epochs} for name, epochs in EPOCHS.items()}})


class Heard:
    """A proposal that remembers what is reported, and is never hopeless."""

    hopeless = False

    def __init__(self) -> None:
        self.epochs: dict[int, float] = {}

    def report(self, epoch: int, value: float) -> None:
        """Remember."""
        self.epochs[epoch] = value


def event_of(kind: type, **given: Any) -> Any:
    """Return an event whose other fields do not matter."""
    return kind(**{field.name: given.get(field.name, 0) for field in fields(kind)})


def write_log(path: Path, stage: str, epochs: int) -> Path:
    """Write what training a checkpoint has logged: an epoch of a second and a quarter each."""
    rows = [
        {"stage": stage, "epoch": epoch, "valid": {BASE.training.monitor: epoch / 10}, "seconds": 1.25}
        for epoch in range(1, epochs + 1)
    ]
    path.with_suffix(".jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_epochs_and_seconds_are_counted_from_logs_and_from_what_is_done_now(tmp_path: Path) -> None:
    heard, told = Heard(), []
    training = TrialTraining(
        dataset=None,
        base=BASE,
        folder=tmp_path,
        space=search_space([parse_searched("dropout=0..0.5")], BASE),
        work=Work(on_event=told.append),  # type: ignore[arg-type]
    )
    watch = _Watch(training, heard)  # type: ignore[arg-type]
    assert watch.seconds == 0
    watch(event_of(StageShared, stage="pretrain", path=write_log(tmp_path / "pretrain.safetensors", "pretrain", 4)))
    assert watch.seconds == 5
    # Of three epochs that are logged, two are in the state that is resumed from.
    path = write_log(tmp_path / "finetune.safetensors", "finetune", 3)
    watch(event_of(StageStarted, stage="finetune", path=path, resumed_epoch=2))
    assert watch.seconds == 7.5
    monitored = {BASE.training.monitor: 0.7}
    watch(event_of(EpochDone, stage="finetune", epoch=3, valid=monitored, seconds=2.0))
    watch(event_of(EpochDone, stage="finetune", epoch=4, valid={}, seconds=2.0))
    assert watch.seconds == 11.5
    before = training.epochs_before("finetune")
    assert heard.epochs == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, before + 1: 0.1, before + 2: 0.2, before + 3: 0.7}
    assert before == 5
    assert len(told) == 4
