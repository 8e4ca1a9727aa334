"""What is known of the stage under way, as the lines below its bar and as the row an epoch leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from adrec_cli.cli.show.sparkline import sparkline
from adrec_cli.training.events import EpochDone, StepDone

_NEWEST_STEP_WEIGHT = 0.1
_SPARKS = 24
_TOLD_SHARE, _LONG_SECONDS = 0.1, 60.0
"""Share of an epoch, and length, from which the time of validation is shown, with advice."""
_SEPARATOR = "  "
EPOCH_LEGEND: Final = (
    "a row per epoch: losses (ce, mse, ...), validation (* best so far), speed, time; "
    "rank and cosine describe the item vectors: a falling rank and a cosine near 1 mean collapse"
)


class TrainingView:
    """A stage under way.

    Attributes:
        monitor: the metric that decides.
        rate: tokens a second, smoothed.
    """

    def __init__(self, monitor: str = "") -> None:
        self.monitor, self.rate = monitor, 0.0
        self._started, self._steps = time.perf_counter(), 0
        self._history: list[float] = []
        self._best: tuple[float, int] | None = None
        self._vectors = ""

    def step(self, event: StepDone) -> list[tuple[str, str]]:
        """Take in a step and return what to show: label and text of each line."""
        self._steps += 1
        # A single step is too noisy to read.
        self.rate += (event.tokens_per_second - self.rate) * max(1 / self._steps, _NEWEST_STEP_WEIGHT)
        in_all = duration(self._step_seconds() * ((event.epochs - event.epoch + 1) * event.steps - event.step))
        lines = [("loss", losses(event.losses)), ("speed", f"{self.rate:,.0f} tokens/s, {in_all} left at most")]
        if self._history and self._best is not None:
            best, epoch = self._best
            told = f"{self._history[-1]:.4f}, best {best:.4f} in epoch {epoch}"
            lines.insert(1, (self.monitor, f"{sparkline(self._history, _SPARKS)} {told}"))
        if self._vectors:
            lines.append(("vectors", self._vectors))
        return lines

    def format_time_left(self, event: StepDone) -> str:
        """Return how long the epoch will still take."""
        if event.step == event.steps:
            return "validating"
        return f"{duration(self._step_seconds() * (event.steps - event.step))} left"

    def _step_seconds(self) -> float:
        """Return the time of a step, validation shared out among them."""
        return (time.perf_counter() - self._started) / max(self._steps, 1)

    def epoch(self, event: EpochDone) -> None:
        """Take in an epoch."""
        self._vectors = f"effective rank {event.effective_rank:.1f}, mean cosine {event.mean_cosine:.3f}"
        if self.monitor in event.valid:
            self._history.append(event.valid[self.monitor])
            if event.improved:
                self._best = (event.valid[self.monitor], event.epoch)


def epoch_row(event: EpochDone, monitor: str, width: int | None) -> str:
    """Return the row that an epoch leaves.

    Args:
        event: the epoch.
        monitor: name of the metric that decides.
        width: cells there are; None: any number.
    """
    digits = len(str(event.epochs))
    parts = [f"{event.stage} {event.epoch:>{digits}}/{event.epochs}", losses(event.losses)]
    if monitor in event.valid:
        parts.append(f"{monitor} {event.valid[monitor]:.4f}{'*' if event.improved else ' '}")
    parts += [f"{event.tokens_per_second:,.0f} tokens/s", duration(event.seconds)]
    parts += [f"validation {share:.0%}"] if (share := _validation_share(event)) >= _TOLD_SHARE else []
    parts += [f"rank {event.effective_rank:.1f}", f"cosine {event.mean_cosine:.3f}"]
    # The losses give way to the metric where there is room for one of them.
    by_weight = [0, 2, 1, *range(3, len(parts))] if monitor in event.valid else list(range(len(parts)))
    return _SEPARATOR.join(parts[number] for number in sorted(_fitting(parts, by_weight, width)))


def _validation_share(event: EpochDone) -> float:
    """Return which part of an epoch went into validation."""
    return event.validation_seconds / event.seconds if event.seconds else 0.0


def validation_advice(event: EpochDone) -> str:
    """Return what makes validation cheaper, where it takes longer than the training itself; "" elsewhere."""
    if event.validation_seconds < max(event.seconds / 2, _LONG_SECONDS):
        return ""
    return (
        f"{event.stage}: validation takes {duration(event.validation_seconds)} of {duration(event.seconds)}; with "
        "--set training.monitor_users=10000 epochs are validated on at most that many users, and the final model on all"
    )


def _fitting(parts: Sequence[str], order: Sequence[int], width: int | None) -> list[int]:
    """Return as many of the parts, in the order of their weight, as fit beside each other."""
    taken: list[int] = []
    for number in order:
        if width is not None and taken and len(_SEPARATOR.join(parts[each] for each in [*taken, number])) > width:
            break
        taken.append(number)
    return taken


def losses(values: Mapping[str, float]) -> str:
    """Return losses by name."""
    return _SEPARATOR.join(f"{name} {value:.4f}" for name, value in values.items())


def duration(seconds: float) -> str:
    """Return seconds as people read them: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
