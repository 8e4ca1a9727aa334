"""Calls callbacks with the events of a training, and lets none of them end it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.errors import AdrecError, InterruptedRun
from adrec_cli.events import OnEvent
from adrec_cli.tracking.callbacks import CALLBACKS, split_place
from adrec_cli.tracking.tracked import Callback, StageEnded, TrackedTraining, hide_password


@dataclass(frozen=True, kw_only=True)
class TrackingStarted:
    """A callback is called with the events of a training from now on.

    Attributes:
        name: of the callback.
        where: to look; "" where it does not say.
    """

    name: str
    where: str


@dataclass(frozen=True, kw_only=True)
class TrackingFailed:
    """A callback failed and is left alone from now on; the training goes on.

    Attributes:
        name: of the callback.
        message: one line.
    """

    name: str
    message: str


@contextlib.contextmanager
def track(training: TrackedTraining, asked: Sequence[str], on_event: OnEvent, *, failed: set[str]) -> Iterator[OnEvent]:
    """Yield what is to be called with the events of a training: `on_event`, and the callbacks that were asked for.

    When it is left they are called with how the training ended.

    Args:
        training: that begins or goes on.
        asked: callbacks as NAME or NAME:PLACE.
        on_event: is called first with every event, and may raise; also where a callback begins or fails.
        failed: of those asked for, which are left alone; those that fail are added.
    """
    callbacks = [_Guarded(one, on_event, failed) for one in dict.fromkeys(asked) if one not in failed]
    if not callbacks:
        yield on_event
        return
    for callback in callbacks:
        callback.begin(training)

    def call_all(event: object) -> None:
        on_event(event)
        for callback in callbacks:
            callback.call(event)

    try:
        yield call_all
    except BaseException as error:
        for callback in callbacks:
            callback.call(_describe_end(error))
        raise
    ended = StageEnded(outcome="done", sha256=file_sha256(training.path), metadata=read_metadata(training.path))
    for callback in callbacks:
        callback.call(ended)


def _describe_end(error: BaseException) -> StageEnded:
    # Who follows the events may give a training up by an exception of its own, as a search does.
    failed = isinstance(error, AdrecError) and not isinstance(error, InterruptedRun)
    return StageEnded(outcome="failed" if failed else "stopped", reason=getattr(error, "message", "given up"))


class _Guarded:
    """A callback that is left alone once it has failed."""

    def __init__(self, asked: str, on_event: OnEvent, failed: set[str]) -> None:
        self._asked, self._on_event, self._failed = asked, on_event, failed
        self._name, self._place = split_place(asked)
        self._callback: Callback | None = None

    def begin(self, training: TrackedTraining) -> None:
        """Make the callback."""
        try:
            self._callback = CALLBACKS[self._name](replace(training, place=self._place))
            where = str(getattr(self._callback, "where", ""))
        except (Exception, SystemExit) as error:
            self._give_up(error)
        else:
            self._on_event(TrackingStarted(name=self._name, where=where))

    def call(self, event: object) -> None:
        """Call the callback, unless it has failed before."""
        if self._callback is None:
            return
        try:
            self._callback(event)
        except (Exception, SystemExit) as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        self._callback = None
        self._failed.add(self._asked)
        reason = hide_password(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        message = f"{self._name} fails and is left alone: {reason}"
        self._on_event(TrackingFailed(name=self._name, message=message))
