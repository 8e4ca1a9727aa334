"""An application as any ASGI server runs it: called by its own names only, and never redirecting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.responses import CLOSE, error_response
from adrec_cli.wording import option

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
"""What is done before the first request and after the last one."""


def make_app(routes: Sequence[BaseRoute], hosts: AllowedHosts, running: Lifespan) -> Starlette:
    """Return an application.

    Args:
        routes: that answer.
        hosts: names by which requests may call it.
        running: entered before the first request and left after the last one.
    """
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_OnlyByName, hosts=hosts)],
        exception_handlers={HTTPException: _refuse},
        lifespan=running,
    )
    # A redirect would be made from what the client says this server is called.
    app.router.redirect_slashes = False
    return app


class _OnlyByName:
    """Refuses requests that call the server by a name it must not be called by."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(named) > 1 or not self._hosts.allows(named[0] if named else None):
                refused = error_response(
                    421, f"this server is not called so; {option('allowed_hosts')} names more", CLOSE
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail, dict(error.headers or {}))
