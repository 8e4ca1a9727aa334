"""A server among bad clients: it ends when asked to, reloads, sheds load, and answers those who behave."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from tests.robustness.processes import typed
from tests.robustness.servers import HALF_A_BODY, Serving, is_closed, serving, wait_until


def test_half_a_body_does_not_keep_a_server(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--grace", 1, "--client-seconds", 60) as server:
        with server.open(HALF_A_BODY):
            time.sleep(0.3)
            started = time.monotonic()
            ended = server.end()
        assert time.monotonic() - started < 6
        assert ended.exit_code == 143
        assert "Traceback" not in ended.stderr


WHOLE = b'POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{"user": "u1"}'


def _answer_in_two_seconds() -> None:
    """Let a question take longer than an ending server waits."""
    _answer_after(2.0)


@pytest.mark.parametrize("sent", [HALF_A_BODY, WHOLE], ids=["half a body", "a question"])
def test_who_is_cut_short_by_the_end_is_told_so(finished: Path, tmp_path: Path, sent: bytes) -> None:
    flags = ["--grace", 0, "--client-seconds", 60]
    with serving(finished, tmp_path, *flags, prepare=_answer_in_two_seconds) as server, server.open(sent) as opened:
        time.sleep(0.3)
        server.command.send(signal.SIGTERM)
        head, _, content = opened.makefile("rb").read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503"), head
        assert b"content-type: application/json" in head.lower()
        assert json.loads(content) == {"error": "the server is ending"}
        ended = server.command.ended(30)
        assert ended.exit_code == 143
        assert "Exception" not in ended.stderr


def _linger() -> None:
    """Let a machine with other work be in time for what an ending server still takes."""
    from adrec_cli.serving import running

    running.LINGER = 3.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(finished: Path, tmp_path: Path, number: signal.Signals) -> None:
    with (
        serving(finished, tmp_path, "--grace", 60, "--client-seconds", 60) as server,
        server.open(HALF_A_BODY), server.open(b"GET / HT"),
    ):  # fmt: skip
        time.sleep(0.3)
        server.command.send(number)
        time.sleep(1.5)
        assert server.command.process.is_alive()
        started = time.monotonic()
        ended = server.end(number)
        assert time.monotonic() - started < 1.5
        assert ended.exit_code == 128 + number
        assert "Traceback" not in ended.stderr


def test_what_is_under_way_is_answered_before_the_end(finished: Path, tmp_path: Path) -> None:
    body = b'{"user": "u1", "k": 3}'
    head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with serving(finished, tmp_path, prepare=_linger) as server, server.open(head + body[:5]) as slow:
        assert server.send("GET", "/readyz") == (200, b'{"status": "ready"}')
        server.command.send(signal.SIGTERM)
        wait_until(lambda: server.send("GET", "/readyz") == (503, b'{"status": "ending"}'))
        assert server.ask(user="u1")[0] == 200
        time.sleep(1)
        slow.sendall(body[5:])
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        assert is_closed(slow, 5)
        assert server.command.ended(30).exit_code == 143


def test_slow_clients_are_cut(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--client-seconds", 0.5) as server:
        for content in (
            b"",
            b"GET /healthz HTTP/1.1\r\nHost: ",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
        ):
            with server.open(content) as opened:
                assert is_closed(opened, 8), content
        with server.open(HALF_A_BODY) as opened:
            answer = opened.recv(65536)
            assert answer.startswith(b"HTTP/1.1 408"), answer
            assert is_closed(opened, 5)
        with server.open() as dripping:
            cut = server.metric("adrec_late_connections_total")
            threading.Thread(target=_drip, args=(dripping,), daemon=True).start()
            wait_until(lambda: server.metric("adrec_late_connections_total") > cut)
            wait_until(lambda: server.metric("adrec_open_connections") == 1)  # this one
        with server.open() as deaf:
            cut = server.metric("adrec_late_connections_total")
            threading.Thread(target=_ask_and_never_read, args=(deaf,), daemon=True).start()
            wait_until(lambda: server.metric("adrec_late_connections_total") > cut)
            wait_until(lambda: server.metric("adrec_open_connections") == 1)
        assert server.metric("adrec_late_connections_total") >= 4
        assert server.ask(user="u1")[0] == 200
        assert server.end().exit_code == 143


def _drip(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for char in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 100:
            opened.sendall(bytes([char]))
            time.sleep(0.05)


def _ask_and_never_read(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4000)


def _answer_slowly() -> None:
    """Let a question take half a second."""
    _answer_after(0.5)


def _answer_after(seconds: float) -> None:
    from adrec_cli.serving.served_model import ServedModel

    answer = ServedModel.answer

    def slow(self, questions):
        time.sleep(seconds)
        return answer(self, questions)

    ServedModel.answer = slow  # type: ignore[method-assign]


def test_questions_of_clients_that_have_gone_are_not_answered(finished: Path, tmp_path: Path) -> None:
    body = b'{"user": "u1"}'
    content = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    flags = ["--max-batch", 1, "--max-waiting", 20]
    with serving(finished, tmp_path, *flags, prepare=_answer_slowly) as server:
        for _ in range(60):
            server.open(content).close()
            time.sleep(0.01)
        assert server.ask(user="u1")[0] == 200
        assert server.metric("adrec_batches_total") < 10
        assert server.metric("adrec_waiting_requests") == 0


def test_a_connection_too_many_is_told_to_come_back(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--max-connections", 2) as server:
        with server.open(HALF_A_BODY), server.open(HALF_A_BODY):
            time.sleep(0.2)
            status, answer = server.ask(user="u1")
            assert (status, answer) == (503, {"error": "too many connections"})
        wait_until(lambda: server.ask(user="u1")[0] == 200)
        assert server.metric("adrec_refused_connections_total") >= 1


def _allow_80_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (70, 80))


def test_as_many_connections_as_there_are_descriptors_for(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, prepare=_allow_80_descriptors) as server, contextlib.ExitStack() as crowd:
        assert "16 connections at most" in server.command.stderr
        for _ in range(30):
            crowd.enter_context(server.open(HALF_A_BODY))
        time.sleep(0.3)
        assert server.ask(user="u1")[0] == 503
        crowd.close()
        wait_until(lambda: server.ask(user="u1")[0] == 200)
        assert "no descriptor" not in server.command.stderr


@pytest.mark.thorough
def test_sighup_reloads_under_load(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--log-format", "json") as server:
        statuses: list[int] = []
        until = time.monotonic() + 3
        threads = [threading.Thread(target=_keep_asking, args=(server, until, statuses)) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.command.send(signal.SIGHUP)
        for thread in threads:
            thread.join()
        wait_until(lambda: server.metric("adrec_reloads_total") == 1)
        assert set(statuses) == {200}
        with server.open(b"NONSENSE\r\n\r\n") as opened:
            assert opened.recv(65536).startswith(b"HTTP/1.1 400")
        ended = server.end()
        assert ended.exit_code == 143
        said = [json.loads(line)["message"] for line in ended.stderr.splitlines()]
        assert any("answers from now on" in line for line in said), said


def _keep_asking(server: Serving, until: float, statuses: list[int]) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    while time.monotonic() < until:
        try:
            connection.request("POST", "/recommend", json.dumps({"user": "u1", "k": 10}))
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        except OSError:
            statuses.append(-1)
            return
    connection.close()


def test_a_model_that_cannot_be_taken_makes_the_health_stale(workspace: Path, tmp_path: Path) -> None:
    current = workspace / "shop/adrec/current.json"
    whole = current.read_bytes()
    with serving(workspace, tmp_path) as server:
        current.write_text("{")
        wait_until(lambda: json.loads(server.send("GET", "/healthz")[1])["stale"])
        assert json.loads(server.send("GET", "/healthz")[1])["status"] == "stale"
        assert server.ask(user="u1")[0] == 200
        assert server.metric("adrec_stale") == 1
        current.write_bytes(whole)
        server.command.send(signal.SIGHUP)
        wait_until(lambda: not json.loads(server.send("GET", "/healthz")[1])["stale"])
        assert server.metric("adrec_stale") == 0


def _allow_few_descriptors() -> None:
    """Let the process have fewer descriptors than it believes."""
    from adrec_cli.serving import connections

    resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
    connections._OTHER_DESCRIPTORS = 0


def test_without_descriptors_load_is_shed_and_then_it_goes_on(finished: Path, tmp_path: Path) -> None:
    with (
        serving(finished, tmp_path, prepare=_allow_few_descriptors) as server,
        contextlib.ExitStack() as crowd,
    ):  # fmt: skip
        for _ in range(60):
            crowd.enter_context(server.open())
        wait_until(lambda: "no descriptor" in server.command.stderr)
        # Of those who have sent nothing, some are closed; a request gets its turn.
        assert server.ask(user="u1")[0] == 200
        crowd.close()
        wait_until(lambda: server.ask(user="u1")[0] == 200)
        assert server.metric("adrec_shed_connections_total") > 0
        ended = server.end()
        assert ended.exit_code == 143
        assert "Traceback" not in ended.stderr


def test_it_is_called_by_its_name_and_never_redirects(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--allowed-hosts", "recs.shop") as server:
        asked = json.dumps({"user": "u1"}).encode()
        for host, expected in (("evil.example", 421), ("recs.shop", 200), ("127.0.0.1:1", 200), ("localhost", 200)):
            assert server.send("POST", "/recommend", asked, {"Host": host})[0] == expected, host
        for path in ("/recommend/", "/healthz/", "//evil.example/healthz"):
            status, content = server.send("GET", path)
            assert (status, json.loads(content)) == (404, {"error": "Not Found"}), path
        with server.open(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n") as opened:
            assert opened.recv(65536).split()[1] in (b"400", b"421")


@pytest.mark.thorough
def test_workers_share_a_port_and_one_that_dies_is_started_again(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--workers", 2) as server:
        workers = _children(server.pid)
        assert len(workers) == 2
        for _ in range(40):
            assert server.ask(user="u1")[0] == 200
        line = next(line for line in server.send("GET", "/metrics")[1].decode().splitlines() if "_count " in line)
        assert line == "adrec_request_seconds_count 40"
        os.kill(workers[0], signal.SIGKILL)
        wait_until(lambda: "started again" in server.command.stderr)
        wait_until(lambda: len(set(_children(server.pid)) - set(workers)) == 1)
        for _ in range(20):
            assert server.ask(user="u1")[0] == 200
        server.command.send(signal.SIGHUP)
        wait_until(lambda: server.command.stderr.count("answers from now on") == 2)
        workers = _children(server.pid)
        assert server.end().exit_code == 143
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def _children(pid: int) -> list[int]:
    """Return the processes that serve; not those that Python starts to keep account of shared memory."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in children if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text()]


def test_a_port_with_workers_is_taken_all_the_same(finished: Path, tmp_path: Path) -> None:
    with serving(finished, tmp_path, "--workers", 2) as server:
        for flags in ([], ["--workers", 2]):
            other = typed(["serve", "--workspace", finished, "--port", server.port, *flags], tmp_path)
            assert "could not listen" in other.require_one_error(7)


def test_workers_serve_several_shops_and_count_each_by_itself(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace / "shop", workspace / "second")
    with serving(workspace, tmp_path, "--all", "--workers", 2, root="/shops/shop") as server:
        for _ in range(30):
            assert server.ask(user="u1")[0] == 200
        for _ in range(10):
            assert server.ask(root="/shops/second", user="u1")[0] == 200
        assert server.metric('adrec_request_seconds_count{shop="shop"}') == 30
        assert server.metric('adrec_request_seconds_count{shop="second"}') == 10
        os.kill(_children(server.pid)[0], signal.SIGKILL)
        wait_until(lambda: "started again" in server.command.stderr)
        (workspace / "second/adrec/current.json").write_text("{")
        server.command.send(signal.SIGHUP)
        wait_until(lambda: json.loads(server.send("GET", "/healthz")[1])["status"] != "ok")
        for root in ("/shops/shop", "/shops/second"):
            assert server.ask(root=root, user="u1")[0] in (200, 503)
        assert server.ask(user="u1")[0] == 200
        assert server.end().exit_code == 143
