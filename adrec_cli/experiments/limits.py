"""How much a run may train before it is saved and left, to be resumed later."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from adrec_cli.errors import Stopped
from adrec_cli.experiments.work import Work
from adrec_cli.wording import option

if TYPE_CHECKING:
    from adrec_cli.training.loop import StageTraining


class RunLimits:
    """The most steps and seconds of a run, over all its stages; what is learned does not depend on them."""

    def __init__(self, work: Work) -> None:
        self._limits = {"max_steps": work.options.max_steps, "max_time": work.options.max_time}
        # It knows when the run began and how many steps were done since.
        self._run = work.stop

    def require_left(self, stage_name: str) -> None:
        """Leave a stage that comes after others where it is, if nothing is left for it.

        Raises:
            Stopped: saying what was not begun.
        """
        if self._run.trained_steps and (reached := self._find_reached()):
            raise Stopped(
                f"{stage_name} was not begun: {reached} is reached", signal_number=signal.SIGTERM,
                hint="run the same command again to resume it",
            )  # fmt: skip

    def check(self, training: StageTraining, steps: int) -> None:
        """End a stage between two steps; one whose last step of an epoch is done is first let to the epoch's end.

        Args:
            training: under way.
            steps: it has done in this run.

        Raises:
            Stopped: a limit is reached.
        """
        epoch_is_over = training.position.step == training.steps
        if not epoch_is_over and (reached := self._find_reached(steps)):
            raise Stopped(f"{reached} is reached", signal_number=signal.SIGTERM)

    def _find_reached(self, steps: int = 0) -> str:
        """Return the limit that is reached; "" for none."""
        done = {
            "max_steps": self._run.trained_steps + steps,
            "max_time": time.monotonic() - self._run.began,
        }
        reached = (name for name, most in self._limits.items() if most is not None and done[name] >= most)
        return next((option(name, f"{self._limits[name]:g}") for name in reached), "")
