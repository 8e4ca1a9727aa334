"""Several shops in one server: each answers for itself, and what becomes of one is nothing to the others."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from adrec_cli.errors import ArtifactError
from adrec_cli.serving import bodies, shops
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.hosts import AllowedHosts
from adrec_cli.serving.nights_file import NightsFile
from adrec_cli.serving.options import Limits
from adrec_cli.serving.served_model import Answer, Question, ServedModel
from adrec_cli.serving.server import Server
from adrec_cli.serving.server_parts import Served, ServerSettings, Shared
from adrec_cli.serving.shops import Shops
from tests.serving.test_server import ASKED, LOCAL, Request
from tests.serving.test_watch import Panic

FAILURES = [ArtifactError("it is damaged"), MemoryError(), Panic("rust"), OSError(24, "x"), RuntimeError("no thread")]


class Model:
    """Answers everybody with the name of its shop and how often that was loaded."""

    def __init__(self, shop: Shop, loads: int) -> None:
        self.shop, self.name = shop, f"{shop.name} {loads}"
        metadata = SimpleNamespace(model="sasrec", content=())
        checkpoint = SimpleNamespace(metadata=metadata, sha256=f"{self.name} sha")
        self.recommender = SimpleNamespace(dataset=shop.name, promoted=True, checkpoint=checkpoint)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """As `ServedModel.answer`."""
        if self.shop.held is not None:
            assert self.shop.held.wait(20)
        if self.shop.answering is not None:
            raise self.shop.answering
        return [Answer(items=[], source="model", unknown_items=[], model=self.name) for _ in questions]


@dataclass
class Shop:
    """A shop that may fail in several ways."""

    name: str
    loading: BaseException | None = None
    answering: Exception | None = None
    held: threading.Event | None = None
    changed: bool = False
    loads: int = 0
    tries: int = 0
    loading_now: list[str] = field(default_factory=list)

    def load(self) -> ServedModel:
        """Load it, which must not happen while another one is loaded."""
        self.loading_now.append(self.name)
        try:
            self.tries += 1
            assert self.loading_now == [self.name], "one model at a time"
            if self.loading is not None:
                raise self.loading
            threading.Event().wait(0.001)
            self.loads += 1
            self.changed = False
            return cast(ServedModel, Model(self, self.loads))
        finally:
            self.loading_now.remove(self.name)


class Mall:
    """Shops in a server, and what it said of them."""

    def __init__(self, *names: str, limits: Limits | None = None, **broken: BaseException) -> None:
        self.now, self.lines = 0.0, cast(list[str], [])
        self.loading_now: list[str] = []
        self.shops = {name: self.build(name) for name in names}
        for name, error in broken.items():
            self.shops[name] = self.build(name)
            self.shops[name].loading = error
        self.listed: list[str] | BaseException = sorted(self.shops)
        self.settings = ServerSettings(
            limits=limits or Limits(), hosts=AllowedHosts((), "127.0.0.1"), poll_seconds=60.0, client_seconds=20.0
        )

    def build(self, name: str) -> Shop:
        """Open a shop."""
        return Shop(name, loading_now=self.loading_now)

    def names(self) -> list[str]:
        """As `DatasetListing.names`."""
        if isinstance(self.listed, BaseException):
            raise self.listed
        return self.listed

    def find_gone(self, served: Sequence[str]) -> list[str]:
        """As `DatasetListing.find_gone`."""
        return [name for name in served if name not in self.names()]

    def make(self, name: str, shared: Shared, metrics: ServerMetrics) -> Server:
        """Return the server of a shop."""
        shop = self.shops[name]
        return Server(
            Served(load=shop.load, changed=lambda model: shop.changed, nights=NightsFile(Path("nowhere"))),
            self.settings, shared=shared, metrics=metrics,
            on_reload=lambda model, error: self.lines.append(f"{model}: {error}"),
            on_failure=lambda text: self.lines.append(f"{name}: {text}"),
        )  # fmt: skip

    def open(self) -> Shops:
        """Return the server."""
        self.server = Shops(
            self, self.make, self.settings, on_failure=self.lines.append,
            on_reload=lambda model, error: self.lines.append(f"{model}: {error}"),
        )  # fmt: skip
        return self.server

    async def get(self, path: str, *, body: bytes = b"", method: str = "GET") -> tuple[int, Any]:
        """Send a request."""
        request = Request(self.server.app, LOCAL, path, method)
        await request.put(body, more=False)
        status, content = await request.read()
        return status, json.loads(content) if content.startswith("{") else content

    async def ask(self, name: str, body: bytes = ASKED) -> tuple[int, Any]:
        """Ask a shop."""
        return await self.get(f"/shops/{name}/recommend", body=body, method="POST")

    async def models(self, *names: str) -> list[str]:
        """Return who answers for shops."""
        return [str((await self.ask(name))[1].get("model")) for name in names]

    async def metrics(self) -> dict[str, str]:
        """Return what is counted."""
        lines = (await self.get("/metrics"))[1].splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def run(mall: Mall, test: Callable[[], Awaitable[None]]) -> None:
    """Do something while the server runs."""

    async def done() -> None:
        app: Any = mall.open().app
        async with app.router.lifespan_context(app):
            await test()

    asyncio.run(done())


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that stands still unless a test moves it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(shops, "monotonic", lambda: clock.now)
    return clock


def test_each_shop_answers_for_itself_and_is_counted_by_itself():
    mall = Mall("a", "b c", "é+")

    async def test():
        assert await mall.models("a", "b c", "é+", "a") == ["a 1", "b c 1", "é+ 1", "a 1"]
        assert (await mall.ask("a", b"{"))[0] == 400
        status, health = await mall.get("/healthz")
        assert (status, health["status"], list(health["shops"])) == (200, "ok", ["a", "b c", "é+"])
        assert health["shops"]["b c"] == (await mall.get("/shops/b c/healthz"))[1]
        assert health["shops"]["b c"]["checkpoint_sha256"] == "b c 1 sha"
        counted = await mall.metrics()
        assert counted['adrec_requests_total{status="200",shop="a"}'] == "2"
        assert counted['adrec_requests_total{status="400",shop="a"}'] == "1"
        assert counted['adrec_requests_total{status="200",shop="b c"}'] == "1"
        assert counted['adrec_request_seconds_count{shop="a"}'] == "3"
        assert counted['adrec_batches_total{shop="é+"}'] == "1"
        assert counted["adrec_open_connections"] == "0", "connections are of all shops"
        assert counted['adrec_model_info{model="sasrec",checkpoint="a 1 sha",dataset="a",shop="a"}'] == "1"

    run(mall, test)


def test_what_is_of_no_shop_says_where_to_ask():
    mall = Mall("a", "b")

    async def test():
        status, said = await mall.get("/recommend", body=ASKED, method="POST")
        assert (status, "/shops/NAME/recommend" in said["error"]) == (404, True)
        for path in ("/shops/c/recommend", "/shops//recommend", "/shops/a/nothing", "/shops/a", "/shops/../a/healthz"):
            assert (await mall.get(path))[0] == 404, path
        assert (await mall.get("/shops/a/recommend"))[0] == 405
        assert (await mall.get("/readyz")) == (200, {"status": "ready"})
        mall.server.ending = True
        assert (await mall.get("/readyz")) == (503, {"status": "ending"})
        described = (await mall.get("/openapi.json"))[1]["paths"]
        assert set(described) == {
            "/shops/{shop}/recommend", "/shops/{shop}/items", "/shops/{shop}/healthz", "/healthz", "/readyz",
            "/metrics",
        }  # fmt: skip

    run(mall, test)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_shop_that_cannot_be_loaded_is_tried_again_and_takes_no_other_down(clock, error):
    mall = Mall("a", "c", b=error)

    async def test():
        assert [line for line in mall.lines if "b is not served" in line] == mall.lines[:1]
        assert await mall.models("a", "c") == ["a 1", "c 1"]
        status, said = await mall.ask("b")
        assert (status, said["error"]) == (503, "b has no model that answers; the log says why")
        health = (await mall.get("/healthz"))[1]
        assert (health["status"], health["shops"]["b"]) == ("failing", {"status": "failing"})
        assert (await mall.metrics())['adrec_shop_served{shop="b"}'] == "0"
        tries = mall.shops["b"].tries
        await mall.server.look()
        assert mall.shops["b"].tries == tries, "it is too early"
        clock.now += 60
        await mall.server.look()
        assert (mall.shops["b"].tries, len(mall.lines)) == (tries + 1, 1), "the same is said once"
        mall.shops["b"].loading = None
        await mall.server.reload()
        assert await mall.models("a", "b", "c") == ["a 2", "b 1", "c 2"]
        assert mall.lines[-1] == "b: b 1: "
        assert (await mall.get("/healthz"))[1]["status"] == "ok"
        assert (await mall.metrics())['adrec_shop_served{shop="b"}'] == "1"

    run(mall, test)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_where_no_shop_can_be_loaded_nothing_is_served(error):
    with pytest.raises(type(error)):
        Mall(a=error, b=ValueError()).open()


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_promotion_that_fails_makes_its_own_shop_stale(error):
    mall = Mall("a", "b")

    async def test():
        for shop in mall.shops.values():
            shop.changed = True
        mall.shops["b"].loading = error
        await asyncio.gather(*(mall.server._servers[name].watch.look() for name in ("a", "b")))
        assert await mall.models("a", "b") == ["a 2", "b 1"]
        health = (await mall.get("/healthz"))[1]
        assert (health["status"], health["shops"]["a"]["status"]) == ("stale", "ok")
        assert (await mall.metrics())['adrec_stale{shop="b"}'] == "1"

    run(mall, test)


def test_a_shop_that_is_slow_or_fails_keeps_no_other_waiting():
    mall = Mall("a", "b", limits=Limits(waiting=2))

    async def test():
        held = mall.shops["a"].held = threading.Event()
        waiting = [asyncio.create_task(mall.ask("a")) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (await mall.ask("a"))[0] == 503, "its own queue is full"
        assert await mall.models("b") == ["b 1"]
        held.set()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200, 200]
        mall.shops["a"].answering = ValueError("secret")
        assert [(await mall.ask(name))[0] for name in ("a", "b")] == [500, 200]
        assert mall.lines[-1] == "a: a request failed: ValueError: secret"

    run(mall, test)


def test_shops_come_by_themselves_and_go_when_it_is_asked_for():
    mall = Mall("a", "b")

    async def test():
        mall.shops["c"] = mall.build("c")
        mall.listed = ["a", "c"]
        await mall.server.look()
        assert await mall.models("a", "b", "c") == ["a 1", "b 1", "c 1"], "b goes on until somebody asks"
        mall.listed = []
        await mall.server.reload()
        assert await mall.models("a", "b", "c") == ["a 2", "b 2", "c 2"], "the folder of all of them is away"
        mall.listed = ["a", "c"]
        held = mall.shops["b"].held = threading.Event()
        under_way = asyncio.create_task(mall.ask("b"))
        await asyncio.sleep(0.05)
        going = asyncio.create_task(mall.server.reload())
        await asyncio.sleep(0.05)
        held.set()
        await going
        assert (await under_way)[0] == 200, "it is answered first"
        assert (await mall.ask("b"))[0] == 404
        assert "b is served no longer: its data set is gone" in mall.lines
        assert 'adrec_batches_total{shop="b"}' not in await mall.metrics()

    run(mall, test)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_where_shops_cannot_be_listed_those_there_are_go_on(error):
    mall = Mall("a", "b")

    async def test():
        mall.listed = error
        await mall.server.look()
        await mall.server.reload()
        assert await mall.models("a", "b") == ["a 2", "b 2"]
        assert mall.server._failures == 2
        mall.listed = ["a", "b"]
        await mall.server.look()
        assert mall.server._failures == 0

    run(mall, test)


def test_what_shops_hold_of_bodies_is_bounded_together(monkeypatch):
    monkeypatch.setattr(bodies, "BUFFERED", 2)
    mall = Mall("a", "b", limits=Limits(body=100))

    async def test():
        held = [Request(mall.server.app, LOCAL, f"/shops/{name}/recommend") for name in ("a", "b", "a", "b")]
        for request in held:
            await request.put(b" " * 50)
        status, said = await mall.ask("b", b" ")
        assert (status, said["error"]) == (503, "too many requests are arriving")
        for request in held:
            await request.put(b"", more=False)
            assert (await request.answer())[0] == 400

    run(mall, test)
