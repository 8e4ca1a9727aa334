"""Answers in JSON, and the errors among them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

CLOSE: Final = {"Connection": "close"}
"""Header of an answer after which the connection is of no use."""


def json_response(status: int, content: dict[str, Any]) -> Response:
    """Return an answer."""
    # Escaped to ASCII: half of a surrogate pair, which a client may send, has no UTF-8.
    return Response(json.dumps(content, allow_nan=False), status, media_type="application/json")


def error_response(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return what a client gets instead of an answer, with one line that says why."""
    return Response(json.dumps({"error": text}), status, headers, media_type="application/json")


def tell_of_the_end() -> Response:
    """Return what a client gets whose request the end of the server cuts short."""
    return error_response(503, "the server is ending", CLOSE | {"Retry-After": "1"})


def tell_readiness(ending: bool) -> Response:
    """Return whether requests are welcome."""
    return json_response(503, {"status": "ending"}) if ending else json_response(200, {"status": "ready"})


def send_exposed(text: str) -> Response:
    """Return what Prometheus reads."""
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def always_send(content: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers every request with the same document."""
    document = json.dumps(content)

    async def send(request: Request) -> Response:
        return Response(document, media_type="application/json")

    return send
