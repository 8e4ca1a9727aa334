"""A signal ends what runs, wherever it comes."""

from __future__ import annotations

import gc
import signal
import sys
import time
import weakref
from collections.abc import Callable

import pytest

from adrec_cli.errors import InterruptedRun
from adrec_cli.runtime import ENDING_SIGNALS, StopRequest


class Finalized:
    """An object in whose end something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self.happens = happens

    def __del__(self) -> None:
        self.happens()


def while_finalized(send: Callable[[], object]) -> None:
    Finalized(send)


def while_collected(send: Callable[[], object]) -> None:
    held = Finalized(send)
    held.itself = held
    del held
    gc.collect()


def in_a_callback(send: Callable[[], object]) -> None:
    watched = Finalized(lambda: None)
    watching = weakref.ref(watched, lambda _: send())
    del watched
    assert watching() is None


@pytest.mark.parametrize("where", [while_finalized, while_collected, in_a_callback])
@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_a_signal_that_comes_where_nothing_can_be_raised_ends_what_follows(where, number, capfd):
    stop = StopRequest()
    # As where a launcher passes on what a terminal has sent: that it is the first one all the same must be known.
    stop.echo_seconds = 60
    before = sys.unraisablehook
    with stop.install():
        where(lambda: signal.raise_signal(number))
        assert stop.signal_number == number
        with pytest.raises(InterruptedRun, match=f"stopped by {number.name}"):
            time.sleep(20)
    assert sys.unraisablehook is before
    assert "Exception ignored" not in capfd.readouterr().err


def test_what_else_cannot_be_raised_is_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: reported.append(unraisable.exc_type))
    with StopRequest().install():
        while_finalized(lambda: 1 / 0)
    assert reported == [ZeroDivisionError]


def test_one_that_is_deferred_is_asked_about_all_the_same():
    stop = StopRequest()
    with stop.install(), stop.defer():
        while_finalized(lambda: signal.raise_signal(signal.SIGTERM))
        time.sleep(0.05)
        with pytest.raises(InterruptedRun, match="SIGTERM"):
            stop.check()


def test_nothing_is_sent_after_the_end():
    stop, sent = StopRequest(), []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sent.append(number))
    try:
        with stop.install():
            while_finalized(lambda: signal.raise_signal(signal.SIGTERM))
        time.sleep(0.05)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stop.signal_number == signal.SIGTERM
    assert sent == []
