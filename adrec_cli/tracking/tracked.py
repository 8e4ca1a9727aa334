"""A training as trackers know it: what is trained and with what, and how it ended; in between come its own events."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata

_NO_FACTS = frozenset({"config", "training", "metrics", "epoch", "step"})
"""Fields of a checkpoint's metadata that are options, or that change while it is trained."""


@dataclass(frozen=True, kw_only=True)
class TrackedTraining:
    """A stage's training as trackers know it: one run of theirs, however often it was stopped and resumed.

    Attributes:
        id: of the training, drawn when it began; one that is resumed has the id it had.
        path: of the checkpoint it will write.
        resumed_epoch: epochs done in an earlier process; None for a fresh start.
        device: it computes on.
        metadata: of the checkpoint, as far as it is known before.
        place: what was given behind the callback's name; "" for nothing.
    """

    id: str
    path: Path
    resumed_epoch: int | None
    device: str
    metadata: CheckpointMetadata
    place: str = ""

    @property
    def name(self) -> str:
        """A name for people, and for a folder."""
        return f"{self.metadata.stage}-{self.id}"

    @property
    def group(self) -> str:
        """What the stages and the trainings of one model on one data set share."""
        return f"{self.metadata.dataset}/{self.metadata.model}"

    @property
    def options(self) -> dict[str, Any]:
        """The options it is trained with, by table: model, training, stage."""
        metadata = self.metadata
        return {
            "model": metadata.config,
            "training": metadata.training["training"],
            "stage": metadata.training["stages"][metadata.stage],
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What else it depends on: data and parent by their hashes, seed, threads, versions, device, protocol."""
        recorded = {name: value for name, value in asdict(self.metadata).items() if name not in _NO_FACTS}
        protocol, monitor = (self.metadata.metrics[name] for name in ("protocol", "monitor"))
        return {**recorded, "protocol": protocol, "monitor": monitor, "device": self.device}


@dataclass(frozen=True, kw_only=True)
class StageEnded:
    """The training of a stage is over, for now or for good; the last event a callback is called with.

    Attributes:
        outcome: "done"; "stopped", to be resumed or not; or "failed".
        reason: why it is not done; "" where it is.
        sha256: of the checkpoint's file; "" where it is not done.
        metadata: of the checkpoint; None where it is not done.
    """

    outcome: str
    reason: str = ""
    sha256: str = ""
    metadata: CheckpointMetadata | None = None


Callback = Callable[[object], None]
"""Called with each event of a training: `StepDone`, `EpochDone`, `TrainingWarning`, ..., `StageEnded` last."""

MakeCallback = Callable[[TrackedTraining], Callback]
"""Called when a stage begins, or goes on. What it returns may say in an attribute `where` what to look at."""


def hide_password(place: str) -> str:
    """Return an address without the password that may stand in it, to be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "***@", place)
