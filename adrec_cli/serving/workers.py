"""Several processes that answer at one port, each with its own model; one that dies is started again."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from adrec_cli.errors import InterruptedRun, StorageError
from adrec_cli.serving.exposition import WIDTH
from adrec_cli.serving.running import LINGER, EndingServer, LogLine
from adrec_cli.wording import option, speak_shell, speaks_shell

_END, _RELOAD = b"end", b"reload"
_MOST_DEATHS, _DEATHS_SECONDS = 5, 60.0
"""The server ends when more workers die than this within a number of seconds: it cannot serve."""
_MARGIN = 5.0

Work = Callable[["Worker"], None]
"""What a process does; it is handed to it, so it must be a function of a module, or a partial of one."""


@dataclass(frozen=True)
class Worker:
    """What a process is handed.

    Attributes:
        number: from 0.
        listening: its own queue of connections to the port; it outlives the process.
        cells: where all processes count.
        orders: from the process that started it, and back.
    """

    number: int
    listening: socket.socket
    cells: Any
    orders: Connection

    def follow(self, running: EndingServer) -> None:
        """Say that requests are taken, then follow orders; end when nobody is left to give them."""
        self.orders.send_bytes(b"ready")
        loop = asyncio.get_running_loop()

        def take() -> None:
            try:
                order = self.orders.recv_bytes()
            except (EOFError, OSError):
                loop.remove_reader(self.orders.fileno())
                order = _END
            if order == _RELOAD:
                running.reload()
            elif not running.should_exit:
                running.handle_exit(signal.SIGTERM, None)

        loop.add_reader(self.orders.fileno(), take)


@dataclass
class _Crew:
    """The processes, by number."""

    work: Work
    sockets: list[socket.socket]
    cells: Any
    log: LogLine
    processes: dict[int, SpawnProcess] = field(default_factory=dict)
    orders: dict[int, Connection] = field(default_factory=dict)
    deaths: list[float] = field(default_factory=list)

    def start(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        worker = Worker(number, self.sockets[number], self.cells, theirs)
        process = context.Process(target=_work, args=(self.work, worker, speaks_shell()), daemon=True)
        process.start()
        # Only the child holds its end now, so that either side sees the other one die.
        theirs.close()
        self.processes[number], self.orders[number] = process, ours

    def tell(self, order: bytes) -> None:
        for orders in self.orders.values():
            with contextlib.suppress(OSError):
                orders.send_bytes(order)

    def restart_dead(self) -> None:
        """Restart workers that died.

        Raises:
            StorageError: they die all the time.
        """
        for number, process in list(self.processes.items()):
            if process.is_alive():
                continue
            now = time.monotonic()
            self.deaths = [when for when in self.deaths if now - when < _DEATHS_SECONDS] + [now]
            if len(self.deaths) > _MOST_DEATHS:
                raise StorageError(
                    f"the serving processes keep dying: the last one ended with {process.exitcode}",
                    hint=f"see their messages; if memory is short, use fewer {option('workers')}",
                )
            self.log("error", f"worker {number} ended with {process.exitcode} and is started again")
            self.orders[number].close()
            self.start(number)

    def end(self, seconds: float) -> None:
        """Have everybody end, and end by force who has not in time."""
        self.tell(_END)
        deadline = time.monotonic() + seconds
        for process in self.processes.values():
            process.join(max(0.0, deadline - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.join()


class _Signals:
    """Notes what arrives; a second signal to end kills at once."""

    def __init__(self, crew: _Crew) -> None:
        self._crew = crew
        self.ending: int | None = None
        self.reload = False

    @contextlib.contextmanager
    def install(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self._handle) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        elif self.ending is None:
            self.ending = number
        else:
            for process in self._crew.processes.values():
                process.kill()
            os._exit(128 + number)


def run_workers(
    work: Work, sockets: list[socket.socket], *, grace: float, log: LogLine, on_ready: Callable[[], None]
) -> None:
    """Serve with a process for each socket until a signal comes.

    Args:
        work: what each does; ends when its `Worker.orders` say so.
        sockets: of one port, each the queue of one process.
        grace: seconds that requests under way have after a signal.
        log: called with what goes wrong.
        on_ready: called once all take requests.

    Raises:
        InterruptedRun: stopped by a signal.
        StorageError: the processes die again and again.
    """
    cells = multiprocessing.get_context("spawn").RawArray("d", WIDTH * len(sockets))
    crew = _Crew(work, sockets, cells, log)
    signals = _Signals(crew)
    with signals.install():
        try:
            for number in range(len(sockets)):
                crew.start(number)
            _oversee(crew, signals, on_ready)
        finally:
            for listening in sockets:
                listening.close()
            crew.end(grace + LINGER + _MARGIN)
    name = signal.Signals(signals.ending or signal.SIGTERM)
    raise InterruptedRun(f"stopped by {name.name}", signal_number=name)


def _oversee(crew: _Crew, signals: _Signals, on_ready: Callable[[], None]) -> None:
    """Start again who dies and pass signals on, until one comes that ends."""
    unready, told_ready = set(crew.processes), False
    while signals.ending is None:
        told = wait([*crew.orders.values(), *(process.sentinel for process in crew.processes.values())], timeout=0.2)
        for number, orders in crew.orders.items():
            if orders in told:
                with contextlib.suppress(EOFError, OSError):
                    orders.recv_bytes()
                    unready.discard(number)
        if not unready and not told_ready:
            told_ready = True
            on_ready()
        crew.restart_dead()
        if signals.reload:
            signals.reload = False
            crew.tell(_RELOAD)


def _work(work: Work, worker: Worker, typed: bool) -> None:
    # Of a group of its own: Ctrl-C goes to the process that started it, which says what to do.
    os.setpgid(0, 0)
    # Until it can end in good order it just ends.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with speak_shell(typed):
        work(worker)
