"""Progress of training and ranking: a bar for the epoch under way, one lasting row for each epoch done."""

from __future__ import annotations

from dataclasses import asdict

from adrec_cli.artifacts.lock import LockAwaited
from adrec_cli.cli.show.progress import Progress
from adrec_cli.cli.show.terminal import Terminal, short
from adrec_cli.cli.show.training_view import EPOCH_LEGEND, TrainingView, duration, epoch_row, validation_advice
from adrec_cli.data.inbox import FileLeft, FileRefused, FileTaken
from adrec_cli.experiments.events import (
    EvaluationStarted,
    ModelRetrained,
    RankingProgress,
    RunStepStarted,
    SeedStarted,
    SourceRead,
    StageStarted,
    StartChosen,
    Warned,
)
from adrec_cli.sweeping.events import StageShared, SweepRunDone, SweepRunStarted, TrialDone, TrialStarted
from adrec_cli.tracking.calling import TrackingFailed, TrackingStarted
from adrec_cli.training.events import EpochDone, StepDone, TrainingWarning
from adrec_cli.wording import inflect, say_count

_LOGGED = (
    LockAwaited,
    FileTaken,
    FileLeft,
    FileRefused,
    EpochDone,
    StageStarted,
    StartChosen,
    RunStepStarted,
    SweepRunStarted,
    SweepRunDone,
    TrialStarted,
    TrialDone,
    TrackingStarted,
)
"""Events that go to the log for machines."""


class TrainingProgress(Progress):
    """Shows training besides what `Progress` shows."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._view = TrainingView()
        self._legend_told = False
        self._tracking_told: set[TrackingStarted] = set()

    def __call__(self, event: object) -> None:
        """Show one event."""
        if self.terminal.log_json and isinstance(event, _LOGGED):
            self.terminal.event(type(event).__name__, asdict(event))
            return
        if step := _name_step(event):
            self.clear()
            self.terminal.note(step)
            return
        match event:
            case StepDone():
                self._step(event)
            case EpochDone():
                self._epoch(event)
            case TrainingWarning() | Warned() | TrackingFailed():
                self.terminal.warn(event.message)
            case StageStarted():
                self._stage(event)
            case RankingProgress():
                self._ranking(event)
            case StartChosen() if event.checkpoint is not None:
                self.terminal.note(
                    f"training starts from {event.checkpoint}: {say_count(event.known, 'item')} "
                    f"{inflect(event.known, 'keeps its vector', 'keep their vectors')}, "
                    f"{event.new:,} are new, {event.removed:,} have left"
                )
            case StartChosen() if event.reason:
                self.terminal.warn(f"all weights are fresh: {event.reason}")
            case SourceRead():
                self.clear()
                for note in event.notes:
                    self.terminal.note(note)
            case TrackingStarted():
                self._tracking(event)
            case StageShared():
                self.terminal.note(f"{event.stage}: shared, trained already")
            case TrialDone():
                self._trial_done(event)
            case SweepRunDone():
                self._run_done(event)
            case _:
                super().__call__(event)

    def _tracking(self, event: TrackingStarted) -> None:
        # Stages may share a place: it is named once.
        if event not in self._tracking_told:
            self._tracking_told.add(event)
            self.terminal.note(f"{event.name}: {event.where}" if event.where else f"{event.name} follows")

    def _trial_done(self, event: TrialDone) -> None:
        self.clear()
        trial = event.trial
        row = [f"trial {trial.number} {trial.state}"]
        row += [] if trial.value is None else [f"{event.metric} {trial.value:.4f}"]
        row += [trial.error] if trial.error else []
        row += [] if event.best_value is None else [f"best {event.best_value:.4f} (trial {event.best})"]
        self.terminal.note("  ".join(row))

    def _run_done(self, event: SweepRunDone) -> None:
        self.clear()
        if event.value is None:
            self.terminal.warn(f"{event.run}: {event.error or f'no {event.metric}'}")
        else:
            self.terminal.note(f"{event.run}: {event.metric} {event.value:.4f}, trained {duration(event.seconds)}")

    def _stage(self, event: StageStarted) -> None:
        self.clear()
        self._view = TrainingView(event.monitor)
        self.terminal.note(
            f"{event.stage}: {say_count(event.sequences, 'sample')}, {say_count(event.tokens, 'token')}; "
            f"trains {event.trained_parameters:,} of {say_count(event.parameters, 'parameter')}"
        )
        if event.processes > 1:
            shared = (
                f"{say_count(event.processes, 'process', 'processes')} "
                f"share the {say_count(event.parts, 'part')} of each step"
            )
            self.terminal.note(f"{event.stage}: {shared}")
        if event.left_out:
            self.terminal.note(f"{event.stage}: {event.left_out}")
        if event.resumed_epoch is not None:
            within = f", step {event.resumed_step:,} of the next," if event.resumed_step else ""
            self.terminal.note(f"{event.stage}: resumes after epoch {event.resumed_epoch}{within} of an unfinished run")
        if not self._legend_told and not self.terminal.log_json:
            self._legend_told = True
            self.terminal.note(EPOCH_LEGEND)

    def _step(self, event: StepDone) -> None:
        below = self._view.step(event)
        detail = f"{event.step}/{event.steps}  {self._view.format_time_left(event)}"
        self.show(f"{event.stage} {event.epoch}/{event.epochs}", event.step, event.steps, detail, below)

    def _epoch(self, event: EpochDone) -> None:
        # The view stays where it is: the next epoch follows, and a bar that comes and goes flickers.
        self._view.epoch(event)
        if event.epoch == event.epochs:
            self.clear()
        self.terminal.note(epoch_row(event, self._view.monitor, self.terminal.message_width))
        if event.epoch == 1 and (advice := validation_advice(event)):
            self.terminal.note(advice)

    def _ranking(self, event: RankingProgress) -> None:
        self.show("ranking", event.done, event.total, f"{event.done:,}/{event.total:,}")
        if event.done >= event.total:
            self.clear()


def _name_step(event: object) -> str:
    """Return the line that says which step of a longer command begins; "" for any other event."""
    match event:
        case EvaluationStarted():
            return f"evaluate {event.model} ..."
        case SeedStarted():
            return f"{event.model} with seed {event.seed} ..."
        case ModelRetrained():
            return f"{event.name} is trained again, from fresh weights ..."
        case RunStepStarted():
            return f"{event.name} ..."
        case SweepRunStarted():
            seed = f", seed {event.seed}" if event.seeds > 1 else ""
            return f"run {event.number}/{event.total}: {event.run}{seed}"
        case TrialStarted():
            chosen = "  ".join(f"{key} {short(value)}" for key, value in event.chosen.items())
            return f"trial {event.number}/{event.trials}: {chosen}"
    return ""
