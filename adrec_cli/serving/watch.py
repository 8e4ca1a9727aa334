"""The model that answers, and the watch for one that is promoted after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from adrec_cli.errors import AdrecError
from adrec_cli.serving.background import ENDING
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.served_model import ServedModel

Load = Callable[[], ServedModel]
Changed = Callable[[ServedModel], bool]
OnReload = Callable[[str, str], None]
"""Called with the name of the model that answers, and why another one could not be taken, or nothing."""

LONGEST_WAIT = 60.0
"""Seconds between two looks at most, however often they failed."""
MOST_FAILURES = 30
"""That are counted: the wait no longer grows."""


def wait_after(failures: int, poll_seconds: float) -> float:
    """Return how many seconds to wait for the next look, the longer the more looks in a row have failed."""
    return min(poll_seconds * float(2**failures), max(LONGEST_WAIT, poll_seconds))


def describe_failure(error: BaseException) -> str:
    """Return why a model could not be loaded, in one line of the log."""
    return error.message if isinstance(error, AdrecError) else f"{type(error).__name__}: {error}"


class ModelWatch:
    """Holds the model that answers and exchanges it; whatever goes wrong on the way, the old one answers.

    Attributes:
        model: that answers.
        failures: looks in a row that failed; none: the model is the promoted one.
    """

    def __init__(
        self,
        load: Load,
        changed: Changed,
        *,
        poll_seconds: float,
        metrics: ServerMetrics,
        on_reload: OnReload,
        loading: asyncio.Lock | None = None,
    ) -> None:
        """Load the first model.

        Args:
            load: returns the model there is now.
            changed: whether it is another one than answers.
            poll_seconds: between two looks.
            metrics: to count in.
            on_reload: called with what came of a look.
            loading: held while a model is loaded; by default its own.
        """
        self.model = load()
        self.failures = 0
        self._load, self._changed, self._on_reload = load, changed, on_reload
        self._poll_seconds, self._metrics = poll_seconds, metrics
        self._one_at_a_time, self._loading = asyncio.Lock(), loading or asyncio.Lock()

    @property
    def stale(self) -> bool:
        """Whether a newer model may be promoted, which could not be taken."""
        return self.failures > 0

    async def run(self) -> None:
        """Look for ever, less often while it fails."""
        while True:
            await asyncio.sleep(wait_after(self.failures, self._poll_seconds))
            await self.look()

    @property
    def busy(self) -> bool:
        """Whether it looks, or a model is being loaded."""
        return self._one_at_a_time.locked()

    async def exchange(self, load: Load) -> ServedModel:
        """Take the model that a function loads; where that fails, the error is raised and the old one answers."""
        async with self._one_at_a_time:
            self.model = await self._load_by(load)
            return self.model

    async def _load_by(self, load: Load) -> ServedModel:
        async with self._loading:
            return await asyncio.to_thread(load)

    async def look(self, *, anyway: bool = False) -> None:
        """Take the promoted model if it is another one, or anyway; until it is loaded the old one answers."""
        async with self._one_at_a_time:
            try:
                if anyway or await asyncio.to_thread(self._changed, self.model):
                    self.model = await self._load_by(self._load)
                    self._metrics.count("adrec_reloads_total")
                    self._on_reload(self.model.name, "")
                self.failures = 0
            except ENDING:
                raise
            except BaseException as error:  # no thread, no memory, a panic of Polars: the watch goes on
                self.failures = min(self.failures + 1, MOST_FAILURES)
                self._metrics.count("adrec_reload_failures_total")
                self._on_reload(self.model.name, describe_failure(error))
            self._metrics.gauge("adrec_stale", self.stale)
