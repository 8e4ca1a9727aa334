"""A server keeps its secrets; one that is silent or goes is given up in one line, and a signal ends a query."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from adrec_cli.data.databases.postgres import complete_address
from adrec_cli.errors import AdrecError, InputError
from tests.data.databases.conftest import Server
from tests.data.databases.test_asking import SQL, ask, fill, type_line

pytest.importorskip("duckdb")
pytestmark = pytest.mark.usefixtures("in_shell")


def test_nothing_secret_is_said_or_kept(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(postgres)
    workspace, right = tmp_path / "w", postgres.address
    wrong = right.replace("%2Fword", "wrongcanary")
    gone = right.replace(str(postgres.port), "1")
    said = ""
    for address in (right, wrong, gone, f"{right}?password=canary&sslmode=canary", f"{right}?canary", f"{gone}?x"):
        for typed in (None, address):
            monkeypatch.setenv("ADREC_DATABASE", address)
            line = ["preprocess", "shop", "--sql", SQL, "--workspace", str(workspace), "--debug", "--json"]
            done = type_line([*line, *(["--database", typed] if typed else [])])
            said += done.output
        try:
            ask(address, workspace, f"{SQL}, nothing")
        except AdrecError as error:
            said += "".join(traceback.format_exception(error)) + repr(error.args)
    assert "gives no answer" in said
    assert "canary" not in said
    kept = [path for path in workspace.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"canary" in path.read_bytes() for path in kept)


def test_a_server_that_is_silent_is_given_up(tmp_path: Path, scratch: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(InputError, match="timeout expired"):
            ask(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/shop?connect_timeout=2", tmp_path)
        assert time.monotonic() - started < 20
    assert list(scratch.iterdir()) == []


def test_what_is_silent_is_given_up_unless_an_address_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "postgresql://db/shop"
    kept = "keepalives_idle=30&keepalives_interval=10&keepalives_count=3"
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    assert complete_address(asked) == f"{asked}?connect_timeout=10&{kept}"
    assert complete_address(f"{asked}?connect_timeout=7&keepalives_count=1&keepalives_idle=2") == (
        f"{asked}?connect_timeout=7&keepalives_count=1&keepalives_idle=2&keepalives_interval=10"
    )
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert complete_address(asked) == f"{asked}?{kept}"


def test_a_server_that_goes_in_between_is_told(postgres: Server, tmp_path: Path) -> None:
    fill(postgres)

    def end_it() -> None:
        while not postgres_queries(postgres):
            time.sleep(0.05)
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                         "AND pid <> pg_backend_pid()")  # fmt: skip

    ending = threading.Thread(target=end_it)
    ending.start()
    with pytest.raises(InputError, match=r"gives no answer: .*(terminat|closed)"):
        ask(postgres.address, tmp_path, f"{SQL} WHERE pg_sleep(60) IS NOT NULL")
    ending.join()


def postgres_queries(postgres: Server) -> int:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                       "AND pid <> pg_backend_pid() AND state = 'active'")  # fmt: skip
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_signal_ends_a_query(
    kind: str, number: signal.Signals, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    postgres = request.getfixturevalue("postgres") if kind == "postgres" else None
    if postgres is not None:
        fill(postgres)
    sql = f"{SQL} WHERE pg_sleep(60) IS NOT NULL" if postgres else (
        "SELECT max(a.range * b.range) AS item, 1 AS u, 2 AS time FROM range(10000000) a, range(10000000) b"
    )  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(tmp_path), "ADREC_DATABASE": postgres.address if postgres else ""}
    line = [sys.executable, "-m", "adrec_cli", "preprocess", "shop", "--sql", sql, "-w", str(tmp_path / "w")]
    running = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert "asking" in running.stderr.readline()
    if postgres is not None:
        while not postgres_queries(postgres):
            time.sleep(0.05)
        assert "canary" not in Path(f"/proc/{running.pid}/cmdline").read_text()
    started = time.monotonic()
    running.send_signal(number)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == 128 + number
    # A signal in the midst of writing the first line has Python write it again.
    assert said.removeprefix("asking DuckDB\n").startswith(f"stopped by {number.name}")
    assert "Traceback" not in said
    assert time.monotonic() - started < 15
    assert list(tmp_path.iterdir()) == []
    if postgres is not None:
        assert postgres_queries(postgres) == 0
