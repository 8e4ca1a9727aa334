"""How long an epoch takes, by the clock and by the processor."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochTimes:
    """How long an epoch took, as `EpochDone` tells.

    Attributes:
        seconds, validation_seconds: wall time; the first one includes the second.
        processor_seconds: of all threads of this process.
    """

    seconds: float
    validation_seconds: float
    processor_seconds: float


class EpochWatch:
    """Runs from the beginning of an epoch."""

    def __init__(self) -> None:
        self._started, self._processor_started = time.perf_counter(), time.process_time()
        self.train_seconds = 0.0

    def end_training(self) -> None:
        """Note that what comes now is validation."""
        self.train_seconds = time.perf_counter() - self._started

    def times(self) -> EpochTimes:
        """Return how long it took until now."""
        seconds = time.perf_counter() - self._started
        return EpochTimes(
            seconds=seconds,
            validation_seconds=seconds - self.train_seconds,
            processor_seconds=time.process_time() - self._processor_started,
        )
