"""What a training runs with, what may stop it, and what is called with its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from adrec_cli.artifacts.lock import Waited, Waiting
from adrec_cli.choices import choice
from adrec_cli.config import read_seconds
from adrec_cli.errors import UsageError
from adrec_cli.events import OnEvent, ignore
from adrec_cli.runtime import StopRequest, device_choice, threads_choice
from adrec_cli.tracking.callbacks import require_known_callback
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.wording import option

TRAINING: Final = "Training"
"""The panel of the help that lists what training can be given."""


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """What a stage runs with, without a say in what it computes.

    Attributes:
        device: "auto", "cpu", "cuda", ...
        threads: of the CPU; None leaves PyTorch's default.
        resume: "auto" goes on from a matching unfinished state, "require" fails without one, "never" starts again.
        force: train even when the checkpoint is up to date.
        max_steps, max_time: steps and seconds of all that is done with one `Work`, after which a training is saved and
            ends as with SIGTERM; None for no limit.
        track: callbacks that follow each stage, as NAME or NAME:PLACE.
        wait: seconds to wait for other runs that hold locks, in all; 0 gives up at once, infinity never.
    """

    max_steps: int | None = choice(
        None,
        int,
        "Number of steps after which this run stops and is saved; the same command resumes it.",
        metavar="N",
        panel=TRAINING,
    )
    max_time: float | None = choice(
        None,
        str,
        "Time after which this run stops and is saved, such as 90s, 50m or 2h; the same command resumes it.",
        read=read_seconds,
        metavar="TIME",
        panel=TRAINING,
    )
    resume: str = choice(
        "auto",
        bool,
        "Require a matching unfinished run, or ignore it.",
        read={True: "require", False: "never"}.__getitem__,
        panel=TRAINING,
        can_be_off=True,
    )
    force: bool = choice(False, bool, "Run again even if the result is up to date.", usual=True)
    wait: float = choice(
        0.0,
        float,
        "Wait for another run to release the lock, for at most SECONDS in all if given. [default: do not wait]",
        metavar="[SECONDS]",
        least=0,
    )
    track: tuple[str, ...] = choice(
        (),
        list[str],
        "Tracker that follows the training, such as tensorboard:runs, mlflow or wandb; repeatable.",
        metavar="NAME[:PLACE]",
        panel=TRAINING,
    )
    device: str = device_choice()
    threads: int | None = threads_choice()

    def __post_init__(self) -> None:
        for name in ("max_steps", "max_time"):
            if (most := getattr(self, name)) is not None and most <= 0:
                raise UsageError(f"{option(name)} must be above 0, got {most:g}")
        if not self.wait >= 0:
            raise UsageError(f"{option('wait')} must be at least 0, got {self.wait:g}")
        for asked in self.track:
            require_known_callback(asked)


@dataclass(frozen=True, kw_only=True)
class Work:
    """How something is worked at, from a command down to a training step.

    Attributes:
        options: what it runs with.
        stop: asked between steps.
        on_event: called with what happens.
        processes: that compute it together.
        failed_callbacks: those of `options.track` that have failed, and are left alone.
        waited: how much of `options.wait` is spent.
    """

    options: ComputeOptions = ComputeOptions()
    stop: StopRequest = field(default_factory=StopRequest)
    on_event: OnEvent = ignore
    processes: Processes = ALONE
    failed_callbacks: set[str] = field(default_factory=set)
    waited: Waited = field(default_factory=Waited)

    @property
    def waiting(self) -> Waiting:
        """What is done where another run holds a lock."""
        return Waiting(seconds=self.options.wait, on_event=self.on_event, waited=self.waited)


UNATTENDED: Final = Work()
"""Report to nobody, and stop for signals only."""
