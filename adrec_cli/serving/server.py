"""The HTTP side: routes, limits, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adrec_cli.errors import AdrecError, ArtifactError, InputError, UsageError
from adrec_cli.serving.batcher import AnswerFailed, Batcher, Overloaded
from adrec_cli.serving.description import openapi
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import Limits
from adrec_cli.serving.posted_items import Row, parse_items
from adrec_cli.serving.questions import Asked, parse_questions
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.watch import Changed, Load, ModelWatch, OnReload
from adrec_cli.wording import option

_BUFFERED_BODIES = 64
"""Bodies of the largest size that may be held at once; further requests are asked to try again later."""
_T = TypeVar("_T")
LoadWith = Callable[[Sequence[Row]], ServedModel]
"""Loads the model with more items, and keeps them for the next time."""
MakePages = Callable[[Callable[[Sequence[Question]], Awaitable[list[Answer | AdrecError]]], Callable[[], ServedModel]],
                     Sequence[Route]]  # fmt: skip
"""Returns routes of pages, from what has the model answer and what returns it."""
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What a server accepts, and for how long it waits.

    Attributes:
        limits: of a request, of a batch and of the queue.
        hosts: names by which requests may call it.
        poll_seconds: between two looks for a newly promoted model.
        client_seconds: for a client to send its body.
        nights: what runs noted of the models of the data set.
    """

    limits: Limits
    hosts: AllowedHosts
    poll_seconds: float
    client_seconds: float
    nights: NightsFile


class Server:
    """A model that is asked over HTTP and exchanged while requests come in.

    Attributes:
        watch: the model that answers; a batch under way keeps the one it began with.
        metrics: what it counts.
        ending: no request is welcome any longer; those that come are still answered.
        app: for any ASGI server.
    """

    def __init__(
        self,
        load: Load,
        changed: Changed,
        settings: ServerSettings,
        *,
        load_with: LoadWith | None = None,
        metrics: ServerMetrics | None = None,
        pages: MakePages | None = None,
        on_reload: OnReload = lambda model, error: None,
        on_failure: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.metrics = metrics or ServerMetrics()
        self.watch = ModelWatch(
            load, changed, poll_seconds=settings.poll_seconds, metrics=self.metrics, on_reload=on_reload
        )  # fmt: skip
        self.ending = False
        self._settings, self._on_failure, self._load_with = settings, on_failure, load_with
        self._buffered = 0
        self._description = json.dumps(openapi(settings.limits))
        self._batcher = Batcher(
            self._answer,
            max_batch=settings.limits.batch,
            max_waiting=settings.limits.waiting,
            on_batch=self.metrics.batch,
        )
        self.app = Starlette(
            routes=[
                Route("/recommend", self._recommend, methods=["POST"]),
                Route("/items", self._items, methods=["POST"]),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                Route("/metrics", self._expose),
                Route("/openapi.json", self._describe),
                *(pages(self._batcher.ask, lambda: self.model) if pages else ()),
            ],
            middleware=[Middleware(_OnlyByName, hosts=settings.hosts)],
            exception_handlers={HTTPException: _refuse},
            lifespan=self._running,
        )
        # A redirect would be made from what the client says this server is called.
        self.app.router.redirect_slashes = False

    @property
    def model(self) -> ServedModel:
        """The model that answers."""
        return self.watch.model

    def _answer(self, questions: Sequence[Question]) -> list[Answer | AdrecError]:
        return self.model.answer(questions)

    @contextlib.asynccontextmanager
    async def _running(self, app: Any) -> AsyncIterator[None]:
        self._batcher.start()
        watch = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            await self._batcher.stop()

    async def _recommend(self, request: Request) -> Response:
        started = time.perf_counter()
        try:
            response = await self._answered(request)
        except ClientDisconnect:
            response = _error(400, "the client has gone")
        except asyncio.CancelledError:
            response = _tell_of_the_end()
        except Exception as error:
            self._on_failure(f"a request failed: {error if isinstance(error, AnswerFailed) else repr(error)}")
            response = _error(500, "the server failed; its log says why")
        self.metrics.request(response.status_code, time.perf_counter() - started)
        return response

    async def _answered(self, request: Request) -> Response:
        body = await self._body(request)
        if isinstance(body, Response):
            return body
        try:
            asked = parse_questions(body, self._settings.limits)
        except ValueError as error:
            return _error(400, str(error))
        try:
            answers = await _while_there(request, self._batcher.ask(asked.questions))
        except Overloaded:
            return _error(503, "too many requests are waiting", {"Retry-After": "1"})
        finally:
            self.metrics.gauge("adrec_waiting_requests", self._batcher.waiting)
        return _together(asked, answers) if asked.many else _alone(answers[0])

    async def _items(self, request: Request) -> Response:
        """Take items that came after the training into the model that answers."""
        # What a page of another origin may send without being asked for leave is never of this type.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(415, "the body must be sent as application/json", _CLOSE)
        if self._load_with is None:
            return _error(409, f"several processes serve: give new items by {option('new_items', 'FILE')}", _CLOSE)
        metadata = self.model.recommender.checkpoint.metadata
        if not metadata.content:
            return _error(409, f"the {metadata.model} model knows items by their ids alone", _CLOSE)
        try:
            body = await self._body(request)
            if isinstance(body, Response):
                return body
            rows = parse_items(body)
        except ClientDisconnect:
            return _error(400, "the client has gone")
        except asyncio.CancelledError:
            return _tell_of_the_end()
        except ValueError as error:
            return _error(400, str(error))
        if self.watch.busy:
            return _error(503, "a model is being loaded", {"Retry-After": "1"})
        return await self._take(rows, self._load_with)

    async def _take(self, rows: Sequence[Row], load_with: LoadWith) -> Response:
        try:
            model = await self.watch.exchange(functools.partial(load_with, rows))
        except InputError as error:
            return _error(400, error.message)
        except (ArtifactError, UsageError) as error:
            return _error(409, error.message)
        except asyncio.CancelledError:
            return _tell_of_the_end()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # no thread, no memory, a panic of Polars
            self._on_failure(f"items could not be taken: {error!r}")
            return _error(500, "the server failed; its log says why")
        taken = model.recommender.posted_items
        return _json(
            200, {"added": taken.added, "known": taken.known, "silent": list(taken.silent), "model": model.name}
        )

    async def _body(self, request: Request) -> bytes | Response:
        """Read no more, and for no longer, than is allowed, whatever the headers say; or say what is too much."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.client_seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._buffered += len(chunk)
                    if len(body) > self._settings.limits.body:
                        return _error(413, f"the body is larger than {self._settings.limits.body} bytes", _CLOSE)
                    if self._buffered > _BUFFERED_BODIES * self._settings.limits.body:
                        return _error(503, "too many requests are arriving", _CLOSE | {"Retry-After": "1"})
        except TimeoutError:
            return _error(408, f"the body took longer than {self._settings.client_seconds:g} seconds", _CLOSE)
        finally:
            self._buffered -= len(body)
        return bytes(body)

    async def _healthz(self, request: Request) -> Response:
        recommender = self.model.recommender
        return _json(
            200,
            {
                "status": "stale" if self.watch.stale else "ok",
                "stale": self.watch.stale,
                "dataset": recommender.dataset,
                "model": recommender.checkpoint.metadata.model,
                "checkpoint_sha256": recommender.checkpoint.sha256,
                "promoted": recommender.promoted,
            },
        )

    async def _readyz(self, request: Request) -> Response:
        return _json(503, {"status": "ending"}) if self.ending else _json(200, {"status": "ready"})

    async def _expose(self, request: Request) -> Response:
        recommender = self.model.recommender
        self.metrics.gauge("adrec_waiting_requests", self._batcher.waiting)
        text = self.metrics.text(
            model=recommender.checkpoint.metadata.model,
            checkpoint=recommender.checkpoint.sha256,
            dataset=recommender.dataset,
            night=next(reversed(self._settings.nights.of(recommender.checkpoint.metadata.model)), None),
        )
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _describe(self, request: Request) -> Response:
        return Response(self._description, media_type="application/json")


async def _while_there(request: Request, waiting: Coroutine[Any, Any, _T]) -> _T:
    """Wait for something as long as the client does, which has sent all it had to.

    Raises:
        ClientDisconnect: it has gone.
    """
    wanted, leaving = asyncio.create_task(waiting), asyncio.create_task(_leave(request))
    try:
        await asyncio.wait((wanted, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ClientDisconnect
        return wanted.result()
    finally:
        wanted.cancel()
        leaving.cancel()


async def _leave(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _OnlyByName:
    """Refuses requests that call the server by a name it must not be called by."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(named) > 1 or not self._hosts.allows(named[0] if named else None):
                refused = _error(421, f"this server is not called so; {option('allowed_hosts')} names more", _CLOSE)
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _alone(answer: Answer | AdrecError) -> Response:
    if isinstance(answer, AdrecError):
        return _error(400 if isinstance(answer, UsageError) else 404, answer.message)
    return _json(200, _describe(answer))


def _describe(answer: Answer) -> dict[str, Any]:
    """Return what a client gets; explanations only where it asked for them."""
    return {name: value for name, value in asdict(answer).items() if value is not None}


def _together(asked: Asked, answers: Sequence[Answer | AdrecError]) -> Response:
    """Return what each user gets; where no one gets anything, the first error."""
    errors = [answer for answer in answers if isinstance(answer, AdrecError)]
    if len(errors) == len(answers):
        return _error(404, f"nobody gets anything: {errors[0].message}")
    results = [
        {
            "user": question.user,
            **({"error": answer.message} if isinstance(answer, AdrecError) else _describe(answer)),
        }
        for question, answer in zip(asked.questions, answers, strict=True)
    ]
    return _json(200, {"results": results})


def _json(status: int, content: dict[str, Any]) -> Response:
    # Escaped to ASCII: half of a surrogate pair, which a client may send, has no UTF-8.
    return Response(json.dumps(content, allow_nan=False), status, media_type="application/json")


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps({"error": text}), status, headers, media_type="application/json")


def _tell_of_the_end() -> Response:
    """Return what a client gets whose request the end of the server cuts short."""
    return _error(503, "the server is ending", _CLOSE | {"Retry-After": "1"})


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))
