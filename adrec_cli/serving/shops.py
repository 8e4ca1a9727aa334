"""Several shops in one server: each has a `Server` of its own under /shops/NAME, and none takes another one down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adrec_cli.runtime import read_peak_memory
from adrec_cli.serving.app import make_app
from adrec_cli.serving.background import ENDING, run_beside
from adrec_cli.serving.description import openapi
from adrec_cli.serving.exposition import ServerMetrics, expose
from adrec_cli.serving.responses import (
    always_send,
    error_response,
    json_response,
    send_exposed,
    tell_readiness,
)
from adrec_cli.serving.server import Server
from adrec_cli.serving.server_parts import ServerSettings, Shared
from adrec_cli.serving.watch import MOST_FAILURES, OnReload, describe_failure, wait_after

ROOT: Final = "/shops"
OK, STALE, FAILING = "ok", "stale", "failing"
_NAMED = 5
"""Shops at most that are named when the server starts."""
MakeServer = Callable[[str, Shared, ServerMetrics], Server]
"""Loads the model of a shop, which is named, and returns a server of it."""
MakeFront = Callable[[Callable[[], "Sequence[ShopState]"]], Sequence[Route]]
"""Returns routes of the page that leads to those of the shops, from what returns the state of each."""


class Listing(Protocol):
    """Which shops are to be served."""

    def names(self) -> Sequence[str]:
        """Return their names, sorted."""

    def find_gone(self, served: Sequence[str]) -> Sequence[str]:
        """Return those of the served ones that are no longer there and that nobody asked for by name."""


@dataclass(frozen=True, kw_only=True)
class ShopState:
    """How a shop is.

    Attributes:
        name: of its data set.
        status: "ok", "stale" or "failing".
        model: that answers, by the beginning of its hash; "" where none does.
        kind: its name, such as "sasrec".
    """

    name: str
    status: str
    model: str = ""
    kind: str = ""

    @property
    def path(self) -> str:
        """Where its routes begin, as a browser writes it."""
        return f"{ROOT}/{quote(self.name, safe='')}"


@dataclass(kw_only=True)
class _Failing:
    """A shop without a model; why it has none, and when to try again, by the monotonic clock."""

    why: str
    failures: int
    again_at: float


class Shops:
    """Shops that are asked over HTTP; what becomes of one is nothing to the others.

    Attributes:
        metrics: what it counts of connections; each shop counts by itself.
        ending: no request is welcome any longer; those that come are still answered.
        app: all of it, for any ASGI server.
    """

    def __init__(
        self,
        listing: Listing,
        make: MakeServer,
        settings: ServerSettings,
        *,
        metrics: ServerMetrics | None = None,
        front: MakeFront | None = None,
        on_reload: OnReload = lambda model, error: None,
        on_failure: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Load the model of each shop, one after the other.

        Raises:
            AdrecError: none of them could be loaded, the first one for that reason.
        """
        self.metrics, self.ending, self._paged = metrics or ServerMetrics(), False, front is not None
        self._listing, self._make, self._poll_seconds = listing, make, settings.poll_seconds
        self._on_reload, self._on_failure = on_reload, on_failure
        self._shared = Shared.within(settings)
        self._servers: dict[str, Server] = {}
        self._endings: dict[str, contextlib.AsyncExitStack] = {}
        self._failing: dict[str, _Failing] = {}
        self._failures = 0
        self._one_at_a_time = asyncio.Lock()
        self._make_first()
        self.app: ASGIApp = make_app(
            [
                Mount(f"{ROOT}/{{shop}}", self._ask_shop),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                Route("/metrics", self._expose),
                Route("/openapi.json", always_send(openapi(settings.limits, root=f"{ROOT}/{{shop}}"))),
                *(Route(path, _tell_where, methods=["GET", "POST"]) for path in ("/recommend", "/items")),
                *(front(self.states) if front else ()),
            ],
            settings.hosts,
            lambda app: self._running(),
        )

    def _make_first(self) -> None:
        errors: list[BaseException] = []
        for name in self._listing.names():
            try:
                self._servers[name] = self._make(name, self._shared, self.metrics.of(name))
            except ENDING:
                raise
            except BaseException as error:  # no memory, a panic of Polars: the other shops can be served
                errors.append(error)
                self._note_failure(name, error)
        if errors and not self._servers:
            raise errors[0]

    def _note_failure(self, name: str, error: BaseException) -> None:
        before = self._failing.get(name)
        failures = min(before.failures + 1, MOST_FAILURES) if before else 1
        why = describe_failure(error)
        if before is None or before.why != why:
            self._on_failure(f"{name} is not served: {why}")
        again_at = monotonic() + wait_after(failures, self._poll_seconds)
        self._failing[name] = _Failing(why=why, failures=failures, again_at=again_at)

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        for name, server in list(self._servers.items()):
            await self._start(name, server)
        try:
            async with run_beside(self._watch()):
                yield
        finally:
            for name in list(self._servers):
                await self._let_go(name)

    async def _start(self, name: str, server: Server) -> None:
        ending = contextlib.AsyncExitStack()
        await ending.enter_async_context(server.running())
        self._servers[name], self._endings[name] = server, ending

    async def _let_go(self, name: str) -> None:
        del self._servers[name]
        await self._endings.pop(name).aclose()

    async def _watch(self) -> None:
        """Look for ever for shops that have come, and for models of those that have none."""
        while True:
            await asyncio.sleep(wait_after(self._failures, self._poll_seconds))
            await self.look()

    async def reload(self) -> None:
        """Load all models, whether or not they are others, take shops that have come, let go of those that are gone."""
        await asyncio.gather(*(server.reload() for server in self._servers.values()))
        await self.look(anyway=True)

    async def look(self, *, anyway: bool = False) -> None:
        """Take shops that have come; if anyway, also those that have just failed, and let go of those that are gone."""
        async with self._one_at_a_time:
            try:
                names = await asyncio.to_thread(self._listing.names)
                if anyway and names:  # a workspace without anything is one that is away
                    for name in await asyncio.to_thread(self._listing.find_gone, list(self._servers)):
                        await self._let_go(name)
                        self._on_failure(f"{name} is served no longer: its data set is gone")
                self._failing = {name: failing for name, failing in self._failing.items() if name in names}
                for name in names:
                    if name not in self._servers and (anyway or self._is_due(name)):
                        await self._take(name)
                self._failures = 0
            except ENDING:
                raise
            except BaseException as error:  # as `ModelWatch.look`: it goes on
                self._failures = min(self._failures + 1, MOST_FAILURES)
                self._on_failure(f"shops that have come are not noticed: {describe_failure(error)}")

    def _is_due(self, name: str) -> bool:
        failing = self._failing.get(name)
        return failing is None or monotonic() >= failing.again_at

    async def _take(self, name: str) -> None:
        try:
            async with self._shared.loading:
                server = await asyncio.to_thread(self._make, name, self._shared, self.metrics.of(name))
            await self._start(name, server)
        except ENDING:
            raise
        except BaseException as error:  # no thread, no memory, a panic of Polars: the other shops go on
            self._note_failure(name, error)
            return
        self._failing.pop(name, None)
        self._on_reload(f"{name}: {server.model.name}", "")

    def describe(self, address: str) -> str:
        """Return which shops are asked where, and what they take of memory."""
        names, memory = list(self._servers), read_peak_memory()
        served = f"{', '.join(names[:_NAMED])}{f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''}"
        where = f"{address}{ROOT}/NAME/recommend, see {address}/openapi.json"
        taken = "" if memory is None else f"; {memory:,.0f} MiB of memory taken"
        pages = f"; pages at {address}/" if self._paged else ""
        return f"{served} answer{'' if len(names) > 1 else 's'} at {where}; Ctrl-C ends{taken}{pages}"

    def states(self) -> list[ShopState]:
        """Return how each shop is, sorted by name."""
        served = [
            ShopState(
                name=name,
                status=STALE if server.watch.stale else OK,
                model=server.model.name,
                kind=server.model.recommender.checkpoint.metadata.model,
            )
            for name, server in self._servers.items()
        ]
        failing = [ShopState(name=name, status=FAILING) for name in self._failing]
        return sorted([*served, *failing], key=lambda state: state.name)

    async def _ask_shop(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["shop"]
        if name in self._servers:
            await self._servers[name].router(scope, receive, send)
            return
        if name in self._failing:
            said = error_response(503, f"{name} has no model that answers; the log says why", {"Retry-After": "5"})
        else:
            said = error_response(404, "there is no such shop; /healthz names all")
        await said(scope, receive, send)

    async def _healthz(self, request: Request) -> Response:
        shops: dict[str, Any] = {name: server.state for name, server in self._servers.items()}
        shops |= {name: {"status": FAILING} for name in self._failing}
        found = {shop["status"] for shop in shops.values()}
        status = next((one for one in (FAILING, STALE) if one in found), OK)
        return json_response(200, {"status": status, "shops": dict(sorted(shops.items()))})

    async def _readyz(self, request: Request) -> Response:
        return tell_readiness(self.ending)

    async def _expose(self, request: Request) -> Response:
        measured = [server.measure(name) for name, server in sorted(self._servers.items())]
        return send_exposed(expose(self.metrics, measured, sorted(self._failing)))


async def _tell_where(request: Request) -> Response:
    return error_response(404, f"several shops are served: {ROOT}/NAME{request.url.path} asks one; /healthz names all")
