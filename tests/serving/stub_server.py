"""A server of no model, in a thread of this process, whose connections and end can be watched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, cast

from adrec_cli.serving.connections import BoundedConnection, ConnectionLimits
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.running import EndingServer, run_server
from adrec_cli.serving.server import Server

LARGE = b"x" * 30_000_000
"""An answer that no system takes at once."""


class Watch:
    """Notes when it is to look for another model."""

    def __init__(self) -> None:
        self.looks: list[bool] = []

    async def look(self, *, anyway: bool = False) -> None:
        """As `ModelWatch.look`."""
        self.looks.append(anyway)


@dataclass
class Stub:
    """What a server's process needs of it; `/large` has a long answer, and `/held` one that comes when it may."""

    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    watch: Watch = field(default_factory=Watch)
    ending: bool = False
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def app(self) -> Stub:
        """An application is what can be called as one."""
        return self

    async def reload(self) -> None:
        """As `Server.reload`."""
        await self.watch.look(anyway=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as an ASGI application does."""
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        while scope["path"] == "/held" and not self.held.is_set():
            await asyncio.sleep(0.01)
        content = LARGE if scope["path"] == "/large" else b"here"
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class RunningStub:
    """A stub that runs, and the process's side of it."""

    def __init__(self, *, connections: int = 10, seconds: float = 20.0, grace: float = 0.0) -> None:
        self.stub, self.logged = Stub(), cast(list[tuple[str, str]], [])
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.running: EndingServer | None = None
        limits = ConnectionLimits(connections=connections, seconds=seconds)
        self.thread = threading.Thread(target=self._run, args=(limits, grace), daemon=True)

    def _run(self, limits: ConnectionLimits, grace: float) -> None:
        run_server(
            cast(Server, self.stub), self.listening, connections=limits, grace=grace,
            log=lambda *line: self.logged.append(line), on_started=self._note_started,
        )  # fmt: skip

    def _note_started(self, running: EndingServer) -> None:
        self.loop, self.running = asyncio.get_running_loop(), running

    @property
    def kind(self) -> type[BoundedConnection]:
        """The class of its connections."""
        assert self.running is not None
        return cast(type[BoundedConnection], self.running.config.http)

    def metric(self, name: str) -> float:
        """A counter or gauge."""
        return self.stub.metrics.value(name)

    def open(self, content: bytes = b"") -> socket.socket:
        """Open a connection and send something over it."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        opened.sendall(content)
        return opened

    def get(self, path: str = "/", connection: HTTPConnection | None = None) -> tuple[int, bytes]:
        """Ask for something."""
        if connection is None:
            with contextlib.closing(self.connect()) as own:
                return self.get(path, own)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()

    def connect(self) -> HTTPConnection:
        """Return a connection for several requests."""
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def do(self, work: Callable[[], Any]) -> Any:
        """Do something where the server runs."""

        async def done() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(20)


@contextlib.contextmanager
def running_stub(*, connections: int = 10, seconds: float = 20.0, grace: float = 0.0) -> Iterator[RunningStub]:
    """Yield a stub that takes requests, and end it."""
    server = RunningStub(connections=connections, seconds=seconds, grace=grace)
    server.thread.start()
    wait_until(lambda: server.running is not None)
    try:
        yield server
    finally:
        server.stub.held.set()
        assert server.running is not None
        server.running.should_exit = True
        server.thread.join(20)
        assert not server.thread.is_alive()


def read_all(opened: socket.socket) -> bytes:
    """Read what comes until the other side closes a connection or cuts it."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while more := opened.recv(65536):
            found += more
    return found


def wait_until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until a function returns something true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
