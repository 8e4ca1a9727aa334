"""Processes that share a port: orders, signals, and what becomes of one that dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
from typing import Any, cast

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.errors import StorageError
from adrec_cli.serving import workers
from adrec_cli.serving.running import EndingServer
from adrec_cli.serving.workers import Worker, _Crew, _oversee, _Signals


class Process:
    """A process as far as anybody looks."""

    exitcode = -9

    def __init__(self, alive: bool = True) -> None:
        self.alive, self.killed = alive, False
        self.sentinel, self._other = multiprocessing.Pipe()

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.alive

    def kill(self) -> None:
        """It ends."""
        self.alive, self.killed = False, True

    def join(self, seconds: float | None = None) -> None:
        """Wait for nothing."""


class Crew(_Crew):
    """Processes that are started by nobody; each one's end of its orders is kept."""

    def __init__(self, count: int) -> None:
        super().__init__(lambda worker: None, [], None, lambda *line: self.logged.append(line))
        self.logged: list[tuple[str, str]] = []
        self.theirs: dict[int, Any] = {}
        self.started: list[int] = []
        for number in range(count):
            self.start(number)

    def start(self, number: int) -> None:
        """As if it were."""
        self.started.append(number)
        self.orders[number], self.theirs[number] = multiprocessing.Pipe()
        self.processes[number] = cast(Any, Process())

    def received(self, number: int) -> list[bytes]:
        """The orders of a process so far."""
        found = []
        while self.theirs[number].poll():
            found.append(self.theirs[number].recv_bytes())
        return found


class Ending:
    """A server that has to reload and to end."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.should_exit = False

    def reload(self) -> None:
        """Note it."""
        self.done.append("reload")

    def handle_exit(self, number: int, frame: object) -> None:
        """Note it."""
        self.done.append(number)
        self.should_exit = True


@pytest.mark.parametrize("last", ["order", "death"])
def test_a_worker_follows_orders_and_ends_once_whoever_gave_them_is_gone(last: str) -> None:
    async def follow() -> list[object]:
        ours, theirs = multiprocessing.Pipe()
        running = Ending()
        with socket.socket() as listening:
            Worker(0, listening, None, theirs).follow(cast(EndingServer, running))
            assert ours.recv_bytes() == b"ready"
            for _ in range(2):
                ours.send_bytes(b"reload")
            await _until(lambda: len(running.done) == 2)
            if last == "order":
                ours.send_bytes(b"end")
                ours.send_bytes(b"end")
                await _until(lambda: running.should_exit)
            ours.close()
            await _until(lambda: running.should_exit and not asyncio.get_running_loop().remove_reader(theirs.fileno()))
        return running.done

    assert asyncio.run(follow()) == ["reload", "reload", signal.SIGTERM]


async def _until(holds: Any) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def test_signals_are_noted_and_a_second_one_ends_everybody(monkeypatch) -> None:
    crew = Crew(2)
    signals = _Signals(crew)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    ended: list[int] = []
    monkeypatch.setattr(workers.os, "_exit", ended.append)
    with signals.install():
        signal.raise_signal(signal.SIGHUP)
        assert (signals.reload, signals.ending) == (True, None)
        signal.raise_signal(signal.SIGINT)
        assert (signals.ending, ended) == (signal.SIGINT, [])
        assert not any(process.killed for process in crew.processes.values())
        signal.raise_signal(signal.SIGTERM)
        assert ended == [128 + signal.SIGTERM]
        assert all(process.killed for process in crew.processes.values())
    assert before == {number: signal.getsignal(number) for number in before}


def test_all_are_awaited_a_reload_is_passed_on_once_and_who_dies_is_replaced() -> None:
    crew, told = Crew(2), []
    signals = _Signals(crew)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        match looks:
            case 1:
                assert not told
                crew.theirs[0].send_bytes(b"ready")
            case 3:
                assert not told, "one of them is not ready"
                crew.theirs[1].send_bytes(b"ready")
            case 5:
                signals.reload = True
            case 6:
                cast(Any, crew.processes[1]).alive = False
            case 8:
                signals.ending = signal.SIGTERM

    restart = crew.restart_dead
    crew.restart_dead = lambda: (look(), restart())  # type: ignore[method-assign, assignment, func-returns-value]
    before = crew.theirs[1]
    _oversee(crew, signals, lambda: told.append("ready"))
    assert told == ["ready"]
    assert crew.received(0) == [b"reload"]
    assert before.recv_bytes() == b"reload"
    assert crew.started == [0, 1, 1]
    assert crew.logged == [("error", "worker 1 ended with -9 and is started again")]


@pytest.mark.parametrize(("seconds", "gives_up"), [(11.0, True), (13.0, False)])
def test_a_server_whose_workers_keep_dying_gives_up(monkeypatch, seconds: float, gives_up: bool) -> None:
    """Six deaths within 60 seconds are too many; of those that are further apart there may be any number."""
    now = [0.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])
    crew = Crew(1)
    for death in range(20):
        now[0] = death * seconds
        cast(Any, crew.processes[0]).alive = False
        if gives_up and death == 5:
            with pytest.raises(StorageError, match="keep dying: the last one ended with -9"):
                crew.restart_dead()
            return
        crew.restart_dead()
    assert not gives_up
    assert len(crew.started) == 21


def test_the_end_is_told_to_all_and_forced_on_who_does_not_follow() -> None:
    crew = Crew(3)
    crew.theirs[1].close()
    crew.end(0.1)
    assert crew.received(0) == crew.received(2) == [b"end"]
    assert all(process.killed for process in crew.processes.values())
