"""The HTTP side: routes, limits, metrics, and the watch for newly promoted models."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adrec_cli.errors import AdrecError
from adrec_cli.serving.batcher import Batcher, Overloaded
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.questions import Limits, openapi, parse_question
from adrec_cli.serving.served_model import Answer, Question, ServedModel

Load = Callable[[], ServedModel]
Changed = Callable[[ServedModel], bool]


class Server:
    """A model that is asked over HTTP and exchanged while requests come in.

    Attributes:
        model: that answers; a batch under way keeps the one it began with.
        app: for any ASGI server.
    """

    def __init__(
        self,
        load: Load,
        changed: Changed,
        *,
        limits: Limits,
        poll_seconds: float,
        on_reload: Callable[[str, str], None] = lambda model, error: None,
    ) -> None:
        self.model = load()
        self._load, self._changed, self._on_reload = load, changed, on_reload
        self._limits, self._poll_seconds = limits, poll_seconds
        self._metrics = ServerMetrics()
        self._batcher = Batcher(
            self._answer, max_batch=limits.batch, max_waiting=limits.waiting, on_batch=self._metrics.batch
        )
        self.app = Starlette(
            routes=[
                Route("/recommend", self._recommend, methods=["POST"]),
                Route("/healthz", self._healthz),
                Route("/metrics", self._expose),
                Route("/openapi.json", self._describe),
            ],
            lifespan=self._running,
        )

    def _answer(self, questions: Sequence[Question]) -> list[Answer | AdrecError]:
        return self.model.answer(questions)

    @contextlib.asynccontextmanager
    async def _running(self, app: Any) -> AsyncIterator[None]:
        self._batcher.start()
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            await self._batcher.stop()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.reload()

    async def reload(self) -> None:
        """Take the promoted model if it is another one; until it is loaded, or if it cannot be, the old one answers."""
        try:
            if not await asyncio.to_thread(self._changed, self.model):
                return
            self.model = await asyncio.to_thread(self._load)
        except AdrecError as error:
            self._metrics.reload_failures += 1
            self._on_reload(self.model.name, error.message)
            return
        self._metrics.reloads += 1
        self._on_reload(self.model.name, "")

    async def _recommend(self, request: Request) -> Response:
        started = time.perf_counter()
        try:
            response = await self._answered(request)
        except ClientDisconnect:
            response = _error(400, "the client has gone")
        except Exception:
            self._metrics.request(500, time.perf_counter() - started)
            raise
        self._metrics.request(response.status_code, time.perf_counter() - started)
        return response

    async def _answered(self, request: Request) -> Response:
        body = await self._body(request)
        if body is None:
            return _error(413, f"the body is larger than {self._limits.body} bytes")
        try:
            question = parse_question(body, self._limits)
        except ValueError as error:
            return _error(400, str(error))
        try:
            answer = await self._batcher.ask(question)
        except Overloaded:
            return _error(503, "too many requests are waiting", {"Retry-After": "1"})
        if isinstance(answer, AdrecError):
            return _error(404, answer.message)
        return _json(200, asdict(answer))

    async def _body(self, request: Request) -> bytes | None:
        """Read no more than is allowed, whatever the headers say; None if there is more."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._limits.body:
                return None
        return bytes(body)

    async def _healthz(self, request: Request) -> Response:
        recommender = self.model.recommender
        return _json(
            200,
            {
                "status": "ok",
                "dataset": recommender.dataset,
                "model": recommender.checkpoint.metadata.model,
                "checkpoint_sha256": recommender.checkpoint.sha256,
                "promoted": recommender.promoted,
            },
        )

    async def _expose(self, request: Request) -> Response:
        recommender = self.model.recommender
        text = self._metrics.text(
            model=recommender.checkpoint.metadata.model,
            checkpoint=recommender.checkpoint.sha256,
            dataset=recommender.dataset,
            waiting=self._batcher.waiting,
        )
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _describe(self, request: Request) -> Response:
        return _json(200, openapi(self._limits))


def _json(status: int, content: dict[str, Any]) -> Response:
    # Escaped to ASCII: half of a surrogate pair, which a client may send, has no UTF-8.
    return Response(json.dumps(content, allow_nan=False), status, media_type="application/json")


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps({"error": text}), status, headers, media_type="application/json")
