"""A real Postgres, started for the tests, and a DuckDB."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

OWNER, PASSWORD = "canaryowner", "canary7pass/word"
_ASKED_FOR: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A Postgres with one user, who needs a password."""

    port: int

    @property
    def address(self) -> str:
        """Its address, with all that is secret."""
        return f"postgresql://{OWNER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        """Change something."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def connect(self) -> Any:
        """Return a connection of ADBC."""
        from adbc_driver_postgresql import dbapi

        return dbapi.connect(self.address, autocommit=True)


def _as_another() -> dict[str, Any]:
    """Return how a process is started as another user than root, as Postgres refuses to run as root."""
    if os.getuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Start a Postgres in a folder of its own, and end it."""
    pytest.importorskip("adbc_driver_postgresql")
    initdb, program = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or program is None:
        pytest.skip("there is no postgres to start")
    with contextlib.ExitStack() as stack:
        # Not pytest's own folder, which nobody else may enter.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        other = _as_another()
        (folder / "password").write_text(PASSWORD)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        if other:
            os.chown(folder / "data", other["user"], other["group"])
        command = [initdb, "-D", "data", "-U", OWNER, "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8"]
        subprocess.run([*command, "--no-locale", "--no-sync"], cwd=folder, check=True, capture_output=True, **other)
        server = Server(port=_free_port())
        options = [f"-c{key}={value}" for key, value in {
            "port": server.port, "fsync": "off", "unix_socket_directories": "", "listen_addresses": "127.0.0.1",
            "timezone": "Europe/Berlin",
        }.items()]  # fmt: skip
        log = stack.enter_context(open(folder / "log", "wb"))
        running = subprocess.Popen([program, "-D", "data", *options], cwd=folder, stdout=log, stderr=log, **other)
        try:
            _await(server, running)
            yield server
        finally:
            running.terminate()
            running.wait()


def _await(server: Server, running: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    ends = time.monotonic() + _ASKED_FOR
    while True:
        try:
            server.connect().close()
            return
        except Exception:
            assert running.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.1)
