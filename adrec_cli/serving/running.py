"""A server as a process: it logs in one way, ends on a signal within its time, and reloads on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp

from adrec_cli.serving.connections import BoundedConnection, ConnectionLimits, make_protocol
from adrec_cli.serving.exposition import ServerMetrics

LogLine = Callable[[str, str], None]
"""Called with a level ("warning" or "error") and one line."""

LINGER = 0.5
"""Seconds in which an ending server still takes what was sent before anybody could know."""
_MARGIN = 2.0
"""Seconds for the end itself, after which the process ends whatever still runs."""
_REPEAT = 10.0
"""Seconds in which the same line is logged once."""
_LOGGERS = ("uvicorn", "asyncio")


class Serving(Protocol):
    """What answers: a server of one shop or of several.

    Attributes:
        ending: no request is welcome any longer; those that come are still answered.
    """

    ending: bool

    @property
    def app(self) -> ASGIApp:
        """All of it, for any ASGI server."""

    @property
    def metrics(self) -> ServerMetrics:
        """What it counts of connections."""

    async def reload(self) -> None:
        """Load what is promoted, whether or not it is another one."""

    def describe(self, address: str) -> str:
        """Return a line for whoever started it: who answers, and where.

        Args:
            address: that it listens at.
        """


class EndingServer(uvicorn.Server):
    """A server of uvicorn's that ends in time: the first signal begins the end, a second one is the end."""

    def __init__(self, config: uvicorn.Config, server: Serving, grace: float) -> None:
        super().__init__(config)
        self._server, self._grace = server, grace
        self._watchdog: threading.Timer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, shed load where descriptors run out, and reload on SIGHUP."""
        await super().startup(sockets=sockets)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._handle_exception)
        if threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, self.reload)

    def reload(self) -> None:
        """Load the promoted model, whether or not it is another one."""
        task = asyncio.get_running_loop().create_task(self._server.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was sent, for no longer than the grace, and cut the rest."""
        headers = self.server_state.default_headers
        self.server_state.default_headers = [*headers, (b"connection", b"close")]
        await asyncio.sleep(min(LINGER, self._grace))
        await super().shutdown(sockets=sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; at the second signal end at once: there is nothing to save."""
        if self.should_exit:
            _end_process(128 + sig)
        super().handle_exit(sig, frame)
        self.should_exit = self._server.ending = True
        # A model that computes, or one that is being loaded, must not keep the process.
        self._watchdog = threading.Timer(self._grace + LINGER + _MARGIN, _end_process, (128 + sig,))
        self._watchdog.daemon = True
        self._watchdog.start()

    def stop_watchdog(self) -> None:
        """Let the process live: the server has ended."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _handle_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), OSError) and "socket" in context and "accept" in context["message"]:
            kind = self.config.http
            closed = kind.shed() if isinstance(kind, type) and issubclass(kind, BoundedConnection) else 0
            logging.getLogger("asyncio").warning(
                "no descriptor or memory for another connection; %d idle ones are closed", closed
            )
            return
        loop.default_exception_handler(context)


def run_server(
    server: Serving,
    listening: socket.socket,
    *,
    connections: ConnectionLimits,
    grace: float,
    log: LogLine,
    on_started: Callable[[EndingServer], None] = lambda running: None,
) -> None:
    """Serve until a signal comes.

    Args:
        server: to run.
        listening: where.
        connections: limits of them.
        grace: seconds that requests under way have after a signal.
        log: called with what goes wrong.
        on_started: called once requests are taken.
    """
    config = uvicorn.Config(
        server.app, http=make_protocol(connections, server.metrics), ws="none", log_config=None, access_log=False,
        lifespan="on", proxy_headers=False, server_header=False, timeout_graceful_shutdown=math.ceil(grace),
    )  # fmt: skip
    running = EndingServer(config, server, grace)
    handler = _LogHandler(log)
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(handler)
    try:
        asyncio.run(_serve(running, listening, on_started))
    finally:
        running.stop_watchdog()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(handler)


async def _serve(running: EndingServer, listening: socket.socket, on_started: Callable[[EndingServer], None]) -> None:
    async def tell() -> None:
        while not running.started:
            await asyncio.sleep(0.01)
        on_started(running)

    telling = asyncio.create_task(tell())
    try:
        await running.serve(sockets=[listening])
    finally:
        telling.cancel()


class _LogHandler(logging.Handler):
    """Hands what the libraries log on as one line each, the same one not again and again."""

    def __init__(self, log: LogLine) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return  # a request that the end has cut short
        text = record.getMessage().strip().split("\n")[0]
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        now = time.monotonic()
        if now - self._told.get(text, -_REPEAT) < _REPEAT:
            return
        self._told = {line: when for line, when in self._told.items() if now - when < _REPEAT} | {text: now}
        self._log("error" if record.levelno >= logging.ERROR else "warning", text)


def _end_process(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
