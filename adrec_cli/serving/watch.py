"""The model that answers, and the watch for one that is promoted after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from adrec_cli.errors import AdrecError
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.served_model import ServedModel

Load = Callable[[], ServedModel]
Changed = Callable[[ServedModel], bool]
OnReload = Callable[[str, str], None]
"""Called with the name of the model that answers, and why another one could not be taken, or nothing."""

LONGEST_WAIT = 60.0
"""Seconds between two looks at most, however often they failed."""


class ModelWatch:
    """Holds the model that answers and exchanges it; whatever goes wrong on the way, the old one answers.

    Attributes:
        model: that answers.
        failures: looks in a row that failed; none: the model is the promoted one.
    """

    def __init__(
        self, load: Load, changed: Changed, *, poll_seconds: float, metrics: ServerMetrics, on_reload: OnReload
    ) -> None:
        self.model = load()
        self.failures = 0
        self._load, self._changed, self._on_reload = load, changed, on_reload
        self._poll_seconds, self._metrics = poll_seconds, metrics
        self._one_at_a_time = asyncio.Lock()

    @property
    def stale(self) -> bool:
        """Whether a newer model may be promoted, which could not be taken."""
        return self.failures > 0

    async def run(self) -> None:
        """Look for ever, less often while it fails."""
        while True:
            await asyncio.sleep(min(self._poll_seconds * 2**self.failures, max(LONGEST_WAIT, self._poll_seconds)))
            await self.look()

    @property
    def busy(self) -> bool:
        """Whether it looks, or a model is being loaded."""
        return self._one_at_a_time.locked()

    async def exchange(self, load: Load) -> ServedModel:
        """Take the model that a function loads; where that fails, the error is raised and the old one answers."""
        async with self._one_at_a_time:
            self.model = await asyncio.to_thread(load)
            return self.model

    async def look(self, *, anyway: bool = False) -> None:
        """Take the promoted model if it is another one, or anyway; until it is loaded the old one answers."""
        async with self._one_at_a_time:
            try:
                if anyway or await asyncio.to_thread(self._changed, self.model):
                    self.model = await asyncio.to_thread(self._load)
                    self._metrics.count("adrec_reloads_total")
                    self._on_reload(self.model.name, "")
                self.failures = 0
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # no thread, no memory, a panic of Polars: the watch goes on
                self.failures = min(self.failures + 1, 30)
                self._metrics.count("adrec_reload_failures_total")
                said = error.message if isinstance(error, AdrecError) else f"{type(error).__name__}: {error}"
                self._on_reload(self.model.name, said)
            self._metrics.gauge("adrec_stale", self.stale)
