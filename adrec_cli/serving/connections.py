"""What a connection may take: how long its client may keep the server waiting, and how many there may be."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from adrec_cli.serving.exposition import ServerMetrics

_OTHER_DESCRIPTORS = 64
"""Descriptors a process needs besides its connections: the model's files, the event loop's, the log's."""
_BODY = b'{"error": "too many connections"}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What connections may take.

    Attributes:
        connections: at once; one more is answered with 503 and closed.
        seconds: a client may take for its headers, and for taking an answer.
    """

    connections: int
    seconds: float


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's with deadlines.

    Between two requests uvicorn's own deadline holds; a body has one where it is read.
    """

    limits: ClassVar[ConnectionLimits]
    metrics: ClassVar[ServerMetrics]
    idle: ClassVar[set[BoundedConnection]]
    """Connections on which no request is under way."""

    _arriving: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the headers of a request, or to refuse it."""
        super().connection_made(transport)
        # Whatever the system does not take at once counts as not taken, so that closing has a deadline too.
        transport.set_write_buffer_limits(high=0)
        self._refused = len(self.connections) > self.limits.connections
        self.idle.add(self)
        self.metrics.gauge("adrec_open_connections", len(self.connections))
        self._arriving = self._cut_later()

    def data_received(self, data: bytes) -> None:
        """Take what came; the deadline of headers ends with them."""
        if self._refused:
            # Answered only now: data that nobody read would have the answer thrown away.
            self.metrics.count("adrec_refused_connections_total")
            self.transport.write(_REFUSAL)
            self.transport.close()
            return
        super().data_received(data)
        if self._is_answering:
            self.idle.discard(self)
            _stop(self._arriving)
            self._arriving = None
        elif self._arriving is None:
            self._arriving = self._cut_later()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come, or for the end."""
        super().on_response_complete()
        if not self._is_answering:
            self.idle.add(self)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take an answer."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self._cut_later()

    def resume_writing(self) -> None:
        """Go on: the client has taken it."""
        super().resume_writing()
        _stop(self._taking)
        self._taking = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _stop(self._arriving)
        _stop(self._taking)
        self.idle.discard(self)
        super().connection_lost(exc)
        self.metrics.gauge("adrec_open_connections", len(self.connections))

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _cut_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.limits.seconds, self._cut)

    def _cut(self) -> None:
        self.metrics.count("adrec_late_connections_total")
        self.transport.abort()

    @classmethod
    def shed(cls) -> int:
        """Close all connections on which no request is under way and return how many; they give their descriptors."""
        idle = list(cls.idle)
        for connection in idle:
            connection.transport.abort()
        cls.metrics.count("adrec_shed_connections_total", len(idle))
        return len(idle)


def _stop(deadline: asyncio.TimerHandle | None) -> None:
    if deadline is not None:
        deadline.cancel()


def make_protocol(connection_limits: ConnectionLimits, server_metrics: ServerMetrics) -> type[BoundedConnection]:
    """Return the class of a server's connections."""

    class Connection(BoundedConnection):
        limits, metrics, idle = connection_limits, server_metrics, set()

    return Connection


def affordable_connections(wanted: int) -> int:
    """Raise the process's limit of descriptors as far as is needed and allowed; return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    needed = wanted + _OTHER_DESCRIPTORS
    if soft != unlimited and soft < needed:
        soft = needed if hard == unlimited else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == unlimited else max(1, min(wanted, soft - _OTHER_DESCRIPTORS))
