"""Events that the steps of a command report."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something that deserves a look; the command goes on.

    Attributes:
        message: one line with the figure.
    """

    message: str


@dataclass(frozen=True, kw_only=True)
class RankingProgress:
    """Cases ranked so far."""

    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins.

    Attributes:
        stage, path: which, and the checkpoint it will write.
        resumed_epoch, resumed_step: epochs done in an earlier run, and steps of the next; None for a fresh start.
        sequences, tokens: it learns from.
        trained_parameters, parameters: numbers in what is trained, and in all of the model.
        monitor: the metric that decides.
        processes, parts: that share a step, and in how many parts it is computed.
        left_out: what of a recipe or a preset does not hold here and why; "" for nothing.
    """

    stage: str
    path: Path
    resumed_epoch: int | None
    resumed_step: int | None
    sequences: int
    tokens: int
    trained_parameters: int
    parameters: int
    monitor: str
    processes: int
    parts: int
    left_out: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedStarted:
    """A model is trained, or found trained, with a seed."""

    model: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class EvaluationStarted:
    """A model is evaluated, as it has not been, or not as it is now."""

    model: str


@dataclass(frozen=True, kw_only=True)
class ModelRetrained:
    """A model begins to be trained again."""

    name: str


@dataclass(frozen=True, kw_only=True)
class SourceRead:
    """The source is read; `notes` say how, and what was assumed."""

    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunStepStarted:
    """A step begins."""

    name: str


@dataclass(frozen=True, kw_only=True)
class StartChosen:
    """Reported before training: from which model, and what becomes of the items.

    Attributes:
        checkpoint: of the model it starts from; None where all weights are fresh.
        known, new, removed: as in `WarmStart`.
        reason: why weights are fresh although there is a current model that might have been started from.
    """

    checkpoint: str | None
    known: int = 0
    new: int = 0
    removed: int = 0
    reason: str = ""
