"""Servers in processes of their own, and clients that behave well or badly."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from tests.robustness.processes import Ended, Prepare, Running, nothing

HALF_A_BODY = b'POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"user"'
ADDRESS = re.compile(r"answers? at http://127\.0\.0\.1:(\d+)")


class Serving:
    """`adrec serve` under way, on a port that the system chose."""

    def __init__(
        self, workspace: Path, folder: Path, *flags: object, prepare: Prepare = nothing, root: str = ""
    ) -> None:
        self.root = root
        arguments = ["serve", "--workspace", workspace, "--port", 0, "--threads", 1, *flags]
        self.command = Running(arguments, folder, prepare)
        try:
            self.command.until(" at http://", 90)
        except AssertionError:
            self.command.process.kill()
            raise
        found = ADDRESS.search(self.command.stderr)
        assert found is not None, self.command.stderr
        self.port = int(found[1])

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.command.process.pid is not None
        return self.command.process.pid

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, *, root: str | None = None, **question: object) -> tuple[int, dict[str, object]]:
        """Ask a question, of another shop than usual where `root` leads to one."""
        path = f"{self.root if root is None else root}/recommend"
        status, content = self.send("POST", path, json.dumps(question).encode())
        return status, json.loads(content)

    def metric(self, name: str) -> int:
        """Return a counter."""
        lines = self.send("GET", "/metrics")[1].decode().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    def open(self, content: bytes = b"") -> socket.socket:
        """Open a connection and send something over it."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        opened.sendall(content)
        return opened

    def end(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Send a signal and wait for the end."""
        self.command.send(number)
        return self.command.ended(60)


@contextlib.contextmanager
def serving(
    workspace: Path, folder: Path, *flags: object, prepare: Prepare = nothing, root: str = ""
) -> Iterator[Serving]:
    """Yield a server, and kill it if it still runs afterwards."""
    server = Serving(workspace, folder, *flags, prepare=prepare, root=root)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.command.process.kill()


def wait_until(holds: object, seconds: float = 20) -> None:
    """Wait until a function returns something true."""
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, holds
        time.sleep(0.02)


def is_closed(opened: socket.socket, seconds: float) -> bool:
    """Whether the other side closes a connection within a time; what it sends before is thrown away."""
    opened.settimeout(0.1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not opened.recv(65536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False
