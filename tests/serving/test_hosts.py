"""A page of another site, whose name was made to lead to the server, is refused; everybody else is not."""

from __future__ import annotations

import socket

import pytest

from adrec_cli.serving.hosts import AllowedHosts


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("localhost.", True), ("127.0.0.1:80", True),
        ("[::1]:8000", True), ("10.1.2.3", True), (socket.gethostname(), True), ("recs.shop", True),
        ("recs.shop:9000", True), (None, True), ("evil.example", False), ("evil.example:8000", False), ("", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("localhost@evil.example", False),
        ("localhost/evil", False), ("::1", False), ("[::1", False), ("recs.shop:x", False), ("localhost\n", False),
    ],
)  # fmt: skip
def test_names(header: str | None, allowed: bool) -> None:
    assert AllowedHosts(["recs.shop"], "127.0.0.1").allows(header) is allowed


def test_a_star_allows_all() -> None:
    assert AllowedHosts(["*"], "127.0.0.1").allows("evil.example")
    assert AllowedHosts([], "recs.internal").allows("recs.internal:8000")
