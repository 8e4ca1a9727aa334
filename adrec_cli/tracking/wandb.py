"""Weights & Biases: a run for each training, grouped by data set and model."""

from __future__ import annotations

import os
from typing import Final

import wandb

from adrec_cli.tracking.figures import list_figures
from adrec_cli.tracking.tracked import StageEnded, TrackedTraining
from adrec_cli.training.events import EpochDone, TrainingWarning

_PROJECT: Final = "adrec"


class WeightsAndBiases:
    """Logs to the place, a project; without one to $WANDB_PROJECT, else "adrec". All else is W&B's own to configure."""

    def __init__(self, training: TrackedTraining) -> None:
        self._run = wandb.init(
            project=training.place or os.environ.get("WANDB_PROJECT") or _PROJECT,
            id=training.id,
            name=f"{training.metadata.model} {training.name}",
            group=training.group,
            job_type=training.metadata.stage,
            config={**training.options, "facts": training.facts},
            resume="allow",
            # What is printed is adrec's business, and stays on this machine.
            settings=wandb.Settings(console="off", silent=True),
        )
        # Epochs, not calls: those after the state that is resumed from are logged again.
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")
        offline = self._run.offline
        self.where = f"wandb sync {self._run.settings.sync_dir}" if offline else str(self._run.url)

    def __call__(self, event: object) -> None:
        """Log one event."""
        match event:
            case EpochDone():
                self._run.log({"epoch": event.epoch, **list_figures(event)})
            case TrainingWarning():
                self._run.summary["warning"] = event.message
            case StageEnded():
                self._end(event)

    def _end(self, event: StageEnded) -> None:
        if event.metadata is None:
            self._run.summary["reason"] = event.reason
        else:
            best = {f"best/{name}": value for name, value in event.metadata.metrics["values"].items()}
            self._run.summary.update({**best, "best/epoch": event.metadata.epoch, "checkpoint_sha256": event.sha256})
        self._run.finish(exit_code=0 if event.outcome == "done" else 1)
