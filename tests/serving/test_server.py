"""The HTTP side without a socket: by which names it is called, what bodies it holds, and what it says of failures."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from adrec_cli.serving import bodies
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import Limits
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.server import Server
from adrec_cli.serving.server_parts import Served, ServerSettings

ASKED = b'{"user": "u1"}'
LOCAL = ((b"host", b"localhost"),)


class Model:
    """Answers everybody the same, or fails."""

    error: Exception | None = None
    score = 0.5

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """As `ServedModel.answer`."""
        if self.error is not None:
            raise self.error
        return [
            Answer(items=[{"item_id": "i1", "score": self.score}], source="model", unknown_items=[], model="m")
            for _ in questions
        ]


class Request:
    """A request under way: its body is sent bit by bit, and its answer read."""

    def __init__(
        self, app: Any, headers: Sequence[tuple[bytes, bytes]] = LOCAL, path: str = "/recommend", method: str = "POST"
    ) -> None:
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": list(headers),
            "query_string": b"", "scheme": "http", "http_version": "1.1", "root_path": "", "server": ("localhost", 80),
        }  # fmt: skip
        self.sent: list[Any] = []
        self._body: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(app(scope, self._body.get, self._take))

    async def _take(self, message: Any) -> None:
        self.sent.append(message)

    async def put(self, body: bytes, *, more: bool = True) -> None:
        """Send some of the body, and let it be read."""
        await self._body.put({"type": "http.request", "body": body, "more_body": more})
        for _ in range(20):
            await asyncio.sleep(0)

    async def read(self) -> tuple[int, str]:
        """Wait for status and content."""
        await asyncio.wait_for(self.task, 20)
        return self.sent[0]["status"], b"".join(message.get("body", b"") for message in self.sent).decode()

    async def answer(self) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
        """Wait for status, content of JSON and headers."""
        status, content = await self.read()
        return status, json.loads(content), dict(self.sent[0]["headers"])


class Running:
    """A server with a model of nothing."""

    def __init__(self, limits: Limits) -> None:
        self.model, self.failures = Model(), cast(list[str], [])
        settings = ServerSettings(
            limits=limits, hosts=AllowedHosts(("recs.shop",), "127.0.0.1"), poll_seconds=60.0, client_seconds=20.0
        )  # fmt: skip
        self.server = Server(
            Served(
                load=lambda: cast(ServedModel, self.model),
                changed=lambda model: False,
                nights=NightsFile(Path("nowhere")),
            ),
            settings,
            on_failure=self.failures.append,
        )

    def open(self, headers: Sequence[tuple[bytes, bytes]] = LOCAL) -> Request:
        """Begin a request."""
        return Request(self.server.app, headers)

    async def ask(self, body: bytes = ASKED, headers: Sequence[tuple[bytes, bytes]] = LOCAL) -> tuple[int, Any, Any]:
        """Send a whole request."""
        request = self.open(headers)
        await request.put(body, more=False)
        return await request.answer()


@contextlib.asynccontextmanager
async def _run(limits: Limits) -> AsyncIterator[Running]:
    running = Running(limits)
    async with running.server.app.router.lifespan_context(running.server.app):
        yield running


def run(test: Callable[[Running], Awaitable[None]], **limits: int) -> None:
    """Do something with a server under way."""

    async def done() -> None:
        async with _run(Limits(**limits)) as running:
            await test(running)

    asyncio.run(done())


@pytest.mark.parametrize(
    ("names", "status"),
    [([b"localhost"], 200), ([b"recs.shop:80"], 200), ([b"evil.example"], 421), ([], 200), ([b"localhost"] * 2, 421)],
)
def test_who_calls_it_by_no_name_of_its_own_is_refused(names: list[bytes], status: int) -> None:
    async def test(running: Running) -> None:
        found, content, headers = await running.ask(headers=[(b"host", name) for name in names])
        assert found == status
        assert ("error" in content) is (status == 421)
        assert (headers.get(b"connection") == b"close") is (status == 421)

    run(test)


def test_a_failure_is_told_once_in_full_and_to_the_client_not_at_all() -> None:
    async def test(running: Running) -> None:
        running.model.error = ValueError("secret")
        status, content, _ = await running.ask()
        assert (status, content) == (500, {"error": "the server failed; its log says why"})
        assert running.failures == ["a request failed: ValueError: secret"]
        running.model.error = None
        assert (await running.ask())[0] == 200, "one bad batch ends nothing"
        running.server._batcher.ask = _fail  # type: ignore[method-assign, assignment]
        assert (await running.ask())[0] == 500
        assert running.failures[1:] == ["a request failed: KeyError('secret')"]

    run(test)


def test_what_json_has_no_word_for_is_never_sent() -> None:
    async def test(running: Running) -> None:
        assert (await running.ask())[1]["items"] == [{"item_id": "i1", "score": 0.5}]
        for score in (float("nan"), float("inf")):
            running.model.score = score
            assert (await running.ask())[0] == 500
        assert len(running.failures) == 2

    run(test)


async def _fail(questions: object) -> None:
    raise KeyError("secret")


def test_a_body_may_be_as_large_as_is_said_and_no_larger() -> None:
    async def test(running: Running) -> None:
        assert (await running.ask(ASKED.ljust(100)))[0] == 200
        status, content, headers = await running.ask(ASKED.ljust(101))
        assert (status, headers[b"connection"]) == (413, b"close")
        assert content == {"error": "the body is larger than 100 bytes"}
        parts = running.open()
        for _ in range(4):
            await parts.put(b" " * 30)
        assert (await parts.answer())[0] == 413

    run(test, body=100)


def test_no_more_is_held_of_all_bodies_than_of_a_number_of_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BUFFERED", 2)

    async def test(running: Running) -> None:
        held = [running.open() for _ in range(4)]
        for request in held:
            await request.put(b" " * 50)
        assert not any(request.task.done() for request in held), "200 bytes may be held"
        status, content, headers = await running.ask(b" ")
        assert (status, content) == (503, {"error": "too many requests are arriving"})
        assert (headers[b"retry-after"], headers[b"connection"]) == (b"1", b"close")
        await held[0].put(b" ")
        assert (await held[0].answer())[0] == 503
        await held[1].put(b"", more=False)
        assert (await held[1].answer())[0] == 400, "nothing was asked"
        await held[2].put(b" " * 50)
        assert not held[2].task.done(), "what the others held is free"
        assert (await running.ask(ASKED))[0] == 200
        await held[3].put(ASKED, more=False)
        assert (await held[3].answer())[0] == 200
        await held[2].put(b"", more=False)
        assert (await held[2].answer())[0] == 400
        assert running.server._bodies.held == 0

    run(test, body=100)


def test_a_request_that_is_cut_short_gets_a_503_of_its_own() -> None:
    async def test(running: Running) -> None:
        request = running.open()
        await request.put(b"{")
        request.task.cancel()
        status, content, headers = await request.answer()
        assert (status, content) == (503, {"error": "the server is ending"})
        assert (headers[b"connection"], headers[b"content-type"]) == (b"close", b"application/json")
        assert running.server._bodies.held == 0
        assert not running.failures

    run(test)
