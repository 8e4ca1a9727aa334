"""Connections: who keeps the server waiting is cut, one too many is refused, and only idle ones are shed."""

from __future__ import annotations

import contextlib
import json
import resource
import time

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from adrec_cli.serving import connections
from tests.serving.stub_server import LARGE, read_all, running_stub, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: "
HELD = b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "sent"), [(b"", b""), (b"", HALF), (GET, HALF)], ids=["nothing", "half", "half of a second request"]
)
def test_headers_that_are_late_are_cut(before: bytes, sent: bytes) -> None:
    with running_stub(seconds=0.3) as server, server.open(before) as opened:
        if before:
            answer = b""
            while not answer.endswith(b"here"):
                answer += opened.recv(65536)
        began = time.monotonic()
        opened.sendall(sent)
        assert read_all(opened) == b""
        assert 0.2 < time.monotonic() - began < 5
        wait_until(lambda: server.metric("adrec_open_connections") == 0)
        assert server.metric("adrec_late_connections_total") == 1
        assert not server.kind.idle


def test_whole_headers_have_no_deadline_any_longer() -> None:
    with running_stub(seconds=0.3) as server, server.open(HELD) as opened:
        time.sleep(0.8)
        server.stub.held.set()
        assert opened.recv(12) == b"HTTP/1.1 200"
        assert server.metric("adrec_late_connections_total") == 0


def test_an_answer_that_is_not_taken_is_cut_and_one_that_is_taken_is_whole() -> None:
    with running_stub(seconds=0.5) as server:
        with server.open(GET.replace(b"/", b"/large", 1)):
            wait_until(lambda: server.metric("adrec_late_connections_total") == 1)
            wait_until(lambda: server.metric("adrec_open_connections") == 0)
        assert server.get("/large") == (200, LARGE)
        assert server.metric("adrec_late_connections_total") == 1


def test_one_too_many_is_told_to_come_back() -> None:
    with running_stub(connections=2) as server:
        with server.open(HELD), server.open(HELD):
            wait_until(lambda: server.metric("adrec_open_connections") == 2)
            with server.open(GET) as third:
                head, _, content = read_all(third).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1" in head
            assert b"Content-Length: %d" % len(content) in head
            assert json.loads(content) == {"error": "too many connections"}
            assert server.metric("adrec_refused_connections_total") == 1
            server.stub.held.set()
        wait_until(lambda: server.metric("adrec_open_connections") == 0)
        assert server.get()[0] == 200
        assert server.metric("adrec_refused_connections_total") == 1


def test_only_those_on_which_no_request_is_under_way_are_shed() -> None:
    with running_stub() as server, contextlib.closing(server.connect()) as answered:
        assert server.get("/", answered)[0] == 200
        with server.open() as silent, server.open(HELD) as busy, server.open() as gone:
            wait_until(lambda: server.metric("adrec_open_connections") == 4)
            gone.close()
            wait_until(lambda: server.metric("adrec_open_connections") == 3)
            wait_until(lambda: len(server.kind.idle) == 2)
            assert server.do(server.kind.shed) == 2
            assert server.metric("adrec_shed_connections_total") == 2
            wait_until(lambda: server.metric("adrec_open_connections") == 1)
            assert not server.kind.idle
            assert read_all(silent) == b""
            server.stub.held.set()
            assert busy.recv(12) == b"HTTP/1.1 200"
            wait_until(lambda: len(server.kind.idle) == 1)


UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "fit", "raised"),
    [
        (1024, 4096, 500, 500, None),
        (1024, 4096, 960, 960, None),
        (1024, 4096, 961, 961, 1025),
        (1024, 4096, 4096, 4032, 4096),
        (1024, UNLIMITED, 5000, 5000, 5064),
        (UNLIMITED, UNLIMITED, 5000, 5000, None),
        (70, 80, 1000, 16, 80),
        (20, 40, 1000, 1, 40),
    ],
)
def test_as_many_connections_as_descriptors_allow(monkeypatch, soft, hard, wanted, fit, raised) -> None:
    """64 descriptors are for other things; the soft limit goes up to the hard one, and no further than is needed."""
    limits = [(soft, hard)]
    monkeypatch.setattr(connections.resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(connections.resource, "setrlimit", lambda which, pair: limits.append(pair))
    assert connections.affordable_connections(wanted) == fit
    assert limits[1:] == ([] if raised is None else [(raised, hard)])
