"""Bodies of requests, read no further and for no longer than is allowed."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from adrec_cli.serving.responses import CLOSE, error_response
from adrec_cli.wording import say_count

BUFFERED = 64
"""Bodies of the largest size that may be held at once; further requests are asked to try again later."""


class Bodies:
    """All bodies that a server is being sent.

    Attributes:
        held: bytes of them in memory.
    """

    def __init__(self, most: int, seconds: float) -> None:
        """Take limits.

        Args:
            most: bytes of a body.
            seconds: for a client to send it.
        """
        self.held = 0
        self._most, self._seconds = most, seconds

    async def read(self, request: Request) -> bytes | Response:
        """Read no more, and for no longer, than is allowed, whatever the headers say; or say what is too much."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    body += chunk
                    self.held += len(chunk)
                    if len(body) > self._most:
                        return error_response(413, f"the body is larger than {say_count(self._most, 'byte')}", CLOSE)
                    if self.held > BUFFERED * self._most:
                        return error_response(503, "too many requests are arriving", CLOSE | {"Retry-After": "1"})
        except TimeoutError:
            return error_response(408, f"the body took longer than {self._seconds:g} seconds", CLOSE)
        finally:
            self.held -= len(body)
        return bytes(body)
