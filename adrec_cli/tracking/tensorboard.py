"""TensorBoard: event files, one folder per training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from torch.utils.tensorboard import SummaryWriter

from adrec_cli.tracking.figures import list_figures
from adrec_cli.tracking.tracked import StageEnded, TrackedTraining
from adrec_cli.training.events import EpochDone, TrainingWarning

FOLDER: Final = "runs"
"""Where event files go unless something else is said: what PyTorch's own writer takes."""


class TensorBoard:
    """Writes event files below the place, a folder; epochs are its steps."""

    def __init__(self, training: TrackedTraining) -> None:
        root = Path(training.place or FOLDER)
        self.where = str(root)
        # What was written after the state that is resumed from is written again.
        again = None if training.resumed_epoch is None else training.resumed_epoch + 1
        self._writer = SummaryWriter(root / training.group / training.name, purge_step=again)
        self._epoch = training.resumed_epoch or 0
        if training.resumed_epoch is None:
            self._write("options", training.options)
            self._write("facts", training.facts)

    def __call__(self, event: object) -> None:
        """Write one event."""
        match event:
            case EpochDone():
                self._epoch = event.epoch
                for name, value in list_figures(event).items():
                    self._writer.add_scalar(name, value, event.epoch)
                self._writer.flush()
            case TrainingWarning():
                self._writer.add_text("warning", event.message, event.epoch)
            case StageEnded():
                self._end(event)

    def _end(self, event: StageEnded) -> None:
        if event.metadata is None:
            self._write(event.outcome, {"reason": event.reason})
        else:
            kept = {"sha256": event.sha256, "epoch": event.metadata.epoch, "metrics": event.metadata.metrics["values"]}
            self._write("checkpoint", kept)
        self._writer.close()

    def _write(self, name: str, table: object) -> None:
        # Markdown shows what is indented as it stands.
        lines = json.dumps(table, indent=2, ensure_ascii=False).splitlines()
        self._writer.add_text(name, "\n".join(f"    {line}" for line in lines), self._epoch)
