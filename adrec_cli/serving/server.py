"""The HTTP side: routes, limits, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from adrec_cli.errors import AdrecError, ArtifactError, InputError, UsageError
from adrec_cli.serving.app import make_app
from adrec_cli.serving.background import run_beside
from adrec_cli.serving.batcher import AnswerFailed, Batcher, Overloaded
from adrec_cli.serving.description import openapi
from adrec_cli.serving.exposition import Measured, ServerMetrics, expose
from adrec_cli.serving.posted_items import Row, parse_items
from adrec_cli.serving.questions import Asked, parse_questions
from adrec_cli.serving.responses import (
    CLOSE,
    always_send,
    error_response,
    json_response,
    send_exposed,
    tell_of_the_end,
    tell_readiness,
)
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.server_parts import LoadWith, Served, ServerSettings, Shared
from adrec_cli.serving.watch import ModelWatch, OnReload
from adrec_cli.wording import option

_T = TypeVar("_T")


class Server:
    """A model that is asked over HTTP and exchanged while requests come in.

    Attributes:
        watch: the model that answers; a batch under way keeps the one it began with.
        metrics: what it counts.
        routes: of questions, items, health and pages.
        ending: no request is welcome any longer; those that come are still answered.
    """

    def __init__(
        self,
        served: Served,
        settings: ServerSettings,
        *,
        metrics: ServerMetrics | None = None,
        shared: Shared | None = None,
        on_reload: OnReload = lambda model, error: None,
        on_failure: Callable[[str], None] = lambda text: None,
    ) -> None:
        shared = shared or Shared.within(settings)
        self.metrics = metrics or ServerMetrics()
        self.watch = ModelWatch(
            served.load, served.changed, poll_seconds=settings.poll_seconds, metrics=self.metrics,
            on_reload=on_reload, loading=shared.loading,
        )  # fmt: skip
        self.ending = False
        self._served, self._settings, self._on_failure = served, settings, on_failure
        self._bodies = shared.bodies
        self._batcher = Batcher(
            self._answer,
            max_batch=settings.limits.batch,
            max_waiting=settings.limits.waiting,
            on_batch=self.metrics.batch,
        )
        self.routes = [
            Route("/recommend", self._recommend, methods=["POST"]),
            Route("/items", self._items, methods=["POST"]),
            Route("/healthz", self._healthz),
            *(served.pages(self._batcher.ask, lambda: self.model) if served.pages else ()),
        ]

    @functools.cached_property
    def app(self) -> ASGIApp:
        """All of it, for any ASGI server."""
        more = [
            Route("/readyz", self._readyz),
            Route("/metrics", self._expose),
            Route("/openapi.json", always_send(openapi(self._settings.limits))),
        ]
        return make_app([*self.routes, *more], self._settings.hosts, lambda app: self.running())

    @property
    def model(self) -> ServedModel:
        """The model that answers."""
        return self.watch.model

    def _answer(self, questions: Sequence[Question]) -> list[Answer | AdrecError]:
        return self.model.answer(questions)

    @functools.cached_property
    def router(self) -> Router:
        """What answers on the routes, below whatever path."""
        return Router(self.routes, redirect_slashes=False)

    async def reload(self) -> None:
        """Load the promoted model, whether or not it is another one."""
        await self.watch.look(anyway=True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer, and watch for another model, from here to the end."""
        self._batcher.start()
        try:
            async with run_beside(self.watch.run()):
                yield
        finally:
            await self._batcher.stop()

    async def _recommend(self, request: Request) -> Response:
        started = time.perf_counter()
        try:
            response = await self._answered(request)
        except ClientDisconnect:
            response = error_response(400, "the client has gone")
        except asyncio.CancelledError:
            response = tell_of_the_end()
        except Exception as error:
            self._on_failure(f"a request failed: {error if isinstance(error, AnswerFailed) else repr(error)}")
            response = error_response(500, "the server failed; its log says why")
        self.metrics.request(response.status_code, time.perf_counter() - started)
        return response

    async def _answered(self, request: Request) -> Response:
        body = await self._bodies.read(request)
        if isinstance(body, Response):
            return body
        try:
            asked = parse_questions(body, self._settings.limits)
        except ValueError as error:
            return error_response(400, str(error))
        try:
            answers = await _while_there(request, self._batcher.ask(asked.questions))
        except Overloaded:
            return error_response(503, "too many requests are waiting", {"Retry-After": "1"})
        finally:
            self.metrics.gauge("adrec_waiting_requests", self._batcher.waiting)
        return _together(asked, answers) if asked.many else _alone(answers[0])

    async def _items(self, request: Request) -> Response:
        """Take items that came after the training into the model that answers."""
        # What a page of another origin may send without being asked for leave is never of this type.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return error_response(415, "the body must be sent as application/json", CLOSE)
        if self._served.load_with is None:
            return error_response(
                409, f"several processes serve: give new items by {option('new_items', 'FILE')}", CLOSE
            )
        metadata = self.model.recommender.checkpoint.metadata
        if not metadata.content:
            return error_response(409, f"the {metadata.model} model knows items by their ids alone", CLOSE)
        try:
            body = await self._bodies.read(request)
            if isinstance(body, Response):
                return body
            rows = parse_items(body)
        except ClientDisconnect:
            return error_response(400, "the client has gone")
        except asyncio.CancelledError:
            return tell_of_the_end()
        except ValueError as error:
            return error_response(400, str(error))
        if self.watch.busy:
            return error_response(503, "a model is being loaded", {"Retry-After": "1"})
        return await self._take(rows, self._served.load_with)

    async def _take(self, rows: Sequence[Row], load_with: LoadWith) -> Response:
        try:
            model = await self.watch.exchange(functools.partial(load_with, rows))
        except InputError as error:
            return error_response(400, error.message)
        except (ArtifactError, UsageError) as error:
            return error_response(409, error.message)
        except asyncio.CancelledError:
            return tell_of_the_end()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # no thread, no memory, a panic of Polars
            self._on_failure(f"items could not be taken: {error!r}")
            return error_response(500, "the server failed; its log says why")
        taken = model.recommender.posted_items
        return json_response(
            200, {"added": taken.added, "known": taken.known, "silent": list(taken.silent), "model": model.name}
        )

    def describe(self, address: str) -> str:
        """Return who answers, and where."""
        pages = f"; pages at {address}/ and {address}/nights" if self._served.pages else ""
        return f"{self.model.name} answers at {address}/recommend, see {address}/openapi.json; Ctrl-C ends{pages}"

    @property
    def state(self) -> dict[str, Any]:
        """Which model answers, and whether it should be another one."""
        recommender = self.model.recommender
        return {
            "status": "stale" if self.watch.stale else "ok",
            "stale": self.watch.stale,
            "dataset": recommender.dataset,
            "model": recommender.checkpoint.metadata.model,
            "checkpoint_sha256": recommender.checkpoint.sha256,
            "promoted": recommender.promoted,
        }

    async def _healthz(self, request: Request) -> Response:
        return json_response(200, self.state)

    async def _readyz(self, request: Request) -> Response:
        return tell_readiness(self.ending)

    async def _expose(self, request: Request) -> Response:
        return send_exposed(expose(self.metrics, [self.measure()]))

    def measure(self, shop: str = "") -> Measured:
        """Return what is counted of the model, under the name of its shop where there are several."""
        recommender = self.model.recommender
        self.metrics.gauge("adrec_waiting_requests", self._batcher.waiting)
        model = recommender.checkpoint.metadata.model
        return Measured(
            shop=shop,
            metrics=self.metrics,
            model=model,
            checkpoint=recommender.checkpoint.sha256,
            dataset=recommender.dataset,
            night=next(reversed(self._served.nights.of(model)), None),
        )


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


def _alone(answer: Answer | AdrecError) -> Response:
    if isinstance(answer, AdrecError):
        return error_response(400 if isinstance(answer, UsageError) else 404, answer.message)
    return json_response(200, _describe(answer))


def _describe(answer: Answer) -> dict[str, Any]:
    """Return what a client gets; explanations only where it asked for them."""
    return {name: value for name, value in asdict(answer).items() if value is not None}


def _together(asked: Asked, answers: Sequence[Answer | AdrecError]) -> Response:
    """Return what each user gets; where no one gets anything, the first error."""
    errors = [answer for answer in answers if isinstance(answer, AdrecError)]
    if len(errors) == len(answers):
        return error_response(404, f"nobody gets anything: {errors[0].message}")
    results = [
        {
            "user": question.user,
            **({"error": answer.message} if isinstance(answer, AdrecError) else _describe(answer)),
        }
        for question, answer in zip(asked.questions, answers, strict=True)
    ]
    return json_response(200, {"results": results})
