"""What a sweep and a search tell while they run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.sweeping.trials import Trial


@dataclass(frozen=True, kw_only=True)
class SweepRunStarted:
    """A run of a sweep begins.

    Attributes:
        run, seed: which.
        seeds: of each run.
        number, total: of it among all runs, from 1.
    """

    run: str
    seed: int
    seeds: int
    number: int
    total: int


@dataclass(frozen=True, kw_only=True)
class SweepRunDone:
    """A run of a sweep is over.

    Attributes:
        run, seed: which.
        metric, value: how good it is on validation; None if it diverged.
        seconds: its epochs took, shared stages included.
        error: why it has no value; "" if it has one.
    """

    run: str
    seed: int
    metric: str
    value: float | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A trial begins.

    Attributes:
        number, trials: of it among all, from 1.
        chosen: value of each searched key.
    """

    number: int
    trials: int
    chosen: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrialDone:
    """A trial is over.

    Attributes:
        trial: how it went.
        metric: of its value.
        best: number of the best trial so far; None where none is done.
        best_value: of that trial.
    """

    trial: Trial
    metric: str
    best: int | None
    best_value: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageShared:
    """A stage of a run was there already."""

    stage: str
    path: Path
