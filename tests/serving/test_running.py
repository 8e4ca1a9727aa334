"""A server as a process: what a signal begins, what the end takes with it, and what is logged."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.serving import running
from tests.serving.stub_server import RunningStub, read_all, running_stub, wait_until

HELD = b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Timer:
    """A timer that never ends anything."""

    def __init__(self, seconds: float, end: Any, arguments: tuple[int, ...]) -> None:
        self.seconds, self.end, self.arguments = seconds, end, arguments
        self.daemon = self.started = self.cancelled = False

    def start(self) -> None:
        """It runs."""
        self.started = True

    def cancel(self) -> None:
        """It does not any longer."""
        self.cancelled = True


def _is_ending(server: RunningStub) -> bool:
    assert server.running is not None
    return server.running.should_exit and server.stub.ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_begins_the_end_and_the_second_is_it(monkeypatch, number: signal.Signals) -> None:
    timers: list[Timer] = []
    ended: list[int] = []
    with running_stub(grace=3.0) as server:
        assert server.running is not None
        monkeypatch.setattr(running.threading, "Timer", lambda *given: timers.append(Timer(*given)) or timers[-1])
        monkeypatch.setattr(running, "_end_process", ended.append)
        assert not _is_ending(server)
        server.do(lambda: server.running.handle_exit(number, None))
        monkeypatch.undo()
        assert _is_ending(server)
        (timer,) = timers
        assert timer.started
        assert timer.daemon, "it must not keep the process"
        assert timer.seconds > 3.0 + running.LINGER, "whoever has the grace gets it"
        assert timer.seconds < 3.0 + running.LINGER + 5
        assert timer.arguments == (128 + number,)
        assert not ended
        timer.end(*timer.arguments)
        assert ended == [128 + number]
        server.thread.join(20)
        assert timer.cancelled, "who has ended is not ended again"


def test_a_second_signal_is_the_end(monkeypatch) -> None:
    with running_stub() as server:
        assert server.running is not None
        ended: list[int] = []
        monkeypatch.setattr(running, "_end_process", ended.append)
        monkeypatch.setattr(running.threading, "Timer", Timer)
        server.running.should_exit = True
        server.running.handle_exit(signal.SIGTERM, None)
        assert ended == [128 + 15]


def test_what_is_under_way_is_answered_and_the_connection_closed() -> None:
    with running_stub(grace=10.0) as server, server.open(HELD) as held:
        assert server.running is not None
        wait_until(lambda: server.metric("adrec_open_connections") == 1 and not server.kind.idle)
        server.running.should_exit = True
        wait_until(lambda: (b"connection", b"close") in server.running.server_state.default_headers)
        head, _, content = _ask_late(server).partition(b"\r\n\r\n")
        assert (head[:12], content) == (b"HTTP/1.1 200", b"here"), "for half a second it still takes requests"
        assert b"connection: close" in head.lower()
        time.sleep(0.6)
        assert server.thread.is_alive()
        server.stub.held.set()
        head, _, content = read_all(held).partition(b"\r\n\r\n")
        assert (head[:12], content) == (b"HTTP/1.1 200", b"here")
        server.thread.join(5)
        assert not server.thread.is_alive(), "nobody is left to wait for"


def _ask_late(server: RunningStub) -> bytes:
    with server.open(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as late:
        return read_all(late)


def test_what_is_not_done_when_the_grace_is_over_is_cut() -> None:
    with running_stub(grace=1.0) as server, server.open(HELD) as held:
        assert server.running is not None
        wait_until(lambda: server.metric("adrec_open_connections") == 1 and not server.kind.idle)
        began = time.monotonic()
        server.running.should_exit = True
        server.thread.join(20)
        assert 1.0 < time.monotonic() - began < 5
        assert not server.thread.is_alive()
        assert not read_all(held).startswith(b"HTTP/1.1 200")


def test_a_reload_looks_anyway_and_ends_nothing() -> None:
    with running_stub() as server:
        assert server.running is not None
        server.do(server.running.reload)
        wait_until(lambda: server.stub.watch.looks == [True])
        wait_until(lambda: not server.running._tasks)
        assert server.get()[0] == 200


def test_without_descriptors_idle_connections_are_closed_and_other_failures_told() -> None:
    with running_stub() as server, server.open():
        assert server.running is not None
        wait_until(lambda: server.metric("adrec_open_connections") == 1)
        handle, told = server.running._handle_exception, []
        server.loop.default_exception_handler = told.append
        others: list[dict[str, Any]] = [
            {"message": "socket.accept() failed", "exception": ValueError("x"), "socket": None},
            {"message": "socket.accept() out of system resource", "exception": OSError(24, "x")},
            {"message": "a callback failed", "exception": OSError(24, "x"), "socket": None},
            {"message": "no exception"},
        ]
        for context in others:
            server.do(lambda context=context: handle(server.loop, context))
        assert told == others
        assert server.metric("adrec_shed_connections_total") == 0
        short = {"message": "socket.accept() out of system resource", "exception": OSError(24, "x"), "socket": None}
        server.do(lambda: handle(server.loop, short))
        assert told == others
        assert server.metric("adrec_shed_connections_total") == 1
        (line,) = server.logged
        assert line == ("warning", "no descriptor or memory for another connection; 1 idle ones are closed")


def _record(text: str, level: int = logging.WARNING, error: BaseException | None = None) -> logging.LogRecord:
    caught = None if error is None else (type(error), error, None)
    return logging.LogRecord("uvicorn", level, "here", 1, text, (), caught)


def test_the_same_line_is_logged_once_in_ten_seconds(monkeypatch) -> None:
    now, told = [100.0], []
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    handler = running._LogHandler(lambda *line: told.append(line))
    for seconds in (0, 5, 9.9, 10, 15, 20.5):
        now[0] = 100 + seconds
        handler.emit(_record("again"))
    assert told[:3] == [("warning", "again")] * 3
    handler.emit(_record("another"))
    assert told[3:] == [("warning", "another")]
    now[0] += 30
    handler.emit(_record("a third"))
    assert list(handler._told) == ["a third"], "lines that are long past are forgotten"


def test_a_line_says_how_bad_it_is_and_what_was_raised_and_the_end_of_a_request_is_none() -> None:
    told: list[tuple[str, str]] = []
    handler = running._LogHandler(lambda *line: told.append(line))
    handler.emit(_record("  first\nsecond"))
    handler.emit(_record("bad", logging.ERROR))
    handler.emit(_record("worse", logging.CRITICAL, OSError("disk")))
    handler.emit(_record("cut", logging.ERROR, asyncio.CancelledError()))
    assert told == [("warning", "first"), ("error", "bad"), ("error", "worse: OSError('disk')")]
    assert handler.level == logging.WARNING
