"""Trains one trial of a search, epoch by epoch, and gives up where others were clearly better by then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adrec_cli.errors import DivergedError
from adrec_cli.experiments.events import StageStarted
from adrec_cli.experiments.experiment import Experiment
from adrec_cli.experiments.work import Work
from adrec_cli.loading.opening import Dataset
from adrec_cli.sweeping.events import StageShared
from adrec_cli.sweeping.optuna_study import Proposal
from adrec_cli.sweeping.search_space import SearchSpace
from adrec_cli.sweeping.shared_stages import stage_folder, train_shared_stages
from adrec_cli.sweeping.trials import DIVERGED, DONE, PRUNED, Trial
from adrec_cli.training.events import EpochDone


class _GivenUp(Exception):
    """The trial under way is not worth its time."""


@dataclass(frozen=True, kw_only=True)
class TrialTraining:
    """What all trials of a search have in common.

    Attributes:
        dataset, base, folder: of the search; the caller holds the folder's lock.
        space: what is searched.
        work: as `run_stage`.
    """

    dataset: Dataset
    base: Experiment
    folder: Path
    space: SearchSpace
    work: Work

    def run(self, number: int, proposal: Proposal, experiment: Experiment) -> Trial:
        """Train a trial to its end, or until it is hopeless or diverges.

        Raises:
            InterruptedRun: stopped by a signal after saving; the same proposal goes on from there.
        """
        watch = _Watch(self, proposal)
        state, error, value, sha256, seconds = DONE, "", None, "", 0.0
        try:
            stages = train_shared_stages(
                self.dataset, experiment, self.base, self.folder, work=replace(self.work, on_event=watch), done=set()
            )
        except _GivenUp:
            state, value = PRUNED, max(proposal.epochs.values())
        except DivergedError as diverged:
            state, error = DIVERGED, diverged.message
        else:
            last = stages[-1].checkpoint
            value, sha256 = last.metadata.metrics["values"].get(self.base.training.monitor), last.sha256
            seconds = sum(stage.seconds for stage in stages)
        return Trial(
            number=number,
            chosen=proposal.chosen,
            state=state,
            value=value,
            epochs=dict(proposal.epochs),
            seconds=seconds or watch.seconds,
            checkpoint_sha256=sha256,
            error=error,
        )

    def epochs_before(self, stage_name: str) -> int:
        """Return how many epochs the stages before may have at most, whatever is searched."""
        names = list(self.base.stages)
        return sum(map(self._most_epochs, names[: names.index(stage_name)]))

    @property
    def max_epochs(self) -> int:
        """Most epochs of a trial, over all stages."""
        return sum(map(self._most_epochs, self.base.stages))

    def _most_epochs(self, stage_name: str) -> int:
        searched = self.space.reaches(f"stages.{stage_name}.epochs")
        return int(max(searched.ends)) if searched else self.base.stages[stage_name].epochs

    def tidy(self, kept: Experiment | None, tried: Experiment) -> None:
        """Remove the stages of a trial that neither the kept one nor, perhaps, a later one needs."""
        needed = {self._place(self.base, name) for name in self.base.stages}
        needed |= {self._place(kept, name) for name in kept.stages} if kept else set()
        for name in tried.stages:
            place = self._place(tried, name)
            if place not in needed and place.is_dir():
                shutil.rmtree(place, ignore_errors=True)

    def _place(self, experiment: Experiment, stage_name: str) -> Path:
        return stage_folder(self.folder, experiment, self.base, stage_name)


class _Watch:
    """Tells the proposal of every validation, and gives the trial up when it is hopeless."""

    def __init__(self, training: TrialTraining, proposal: Proposal) -> None:
        self.training, self.proposal = training, proposal
        self.seconds = 0.0

    def __call__(self, event: object) -> None:
        self.training.work.on_event(event)
        # Epochs that were done before count as if they were done now, so that a search which was stopped, or whose
        # stages are shared, goes the same way.
        if isinstance(event, StageStarted) and event.resumed_epoch:
            self._replay(event.path, event.resumed_epoch)
        elif isinstance(event, StageShared):
            self._replay(event.path, None)
        elif isinstance(event, EpochDone):
            self._epoch(event.stage, event.epoch, event.valid, event.seconds)

    def _epoch(self, stage: str, epoch: int, valid: Mapping[str, float], seconds: float) -> None:
        self.seconds += seconds
        value = valid.get(self.training.base.training.monitor)
        if value is not None:
            self.proposal.report(self.training.epochs_before(stage) + epoch, value)
            if self.proposal.hopeless:
                raise _GivenUp

    def _replay(self, checkpoint: Path, last: int | None) -> None:
        log = checkpoint.with_suffix(".jsonl")
        for line in log.read_text().splitlines() if log.is_file() else []:
            row = json.loads(line)
            if last is None or row["epoch"] <= last:
                self._epoch(row["stage"], row["epoch"], row["valid"], row["seconds"])
