"""Customers who ask a server all the time while its shop lives through days, and what they were answered."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.robustness.servers import Serving, wait_until
from tests.robustness.shop import Shop

_STALE_SECONDS = 60
"""Within which a server must have the model that is promoted, once nothing changes any longer."""


@dataclass
class Seen:
    """What customers saw.

    Attributes:
        models: that answered, by the beginning of their hash.
        beside: that answered for the neighbour.
        promoted: that were, or had been, promoted when somebody looked.
        faults: answers that nobody should get.
        answers: how many there were.
    """

    models: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)
    promoted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    answers: int = 0


class Customers:
    """A server of a shop, perhaps of a neighbour too, perhaps killed and started again, and a thread that asks it."""

    def __init__(self, shop: Shop, seed: int, neighbour: str = "") -> None:
        self.shop, self.random, self.neighbour = shop, random.Random(seed), neighbour
        self.seen = Seen()
        self.server = self._start()
        self._ended = threading.Event()
        self._may_ask = threading.Lock()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)
        self._thread.start()

    def _start(self) -> Serving:
        if self.neighbour:
            return Serving(self.shop.workspace, self.shop.folder, "--all", root="/shops/shop")
        return Serving(self.shop.workspace, self.shop.folder, "--dataset", "shop")

    def _ask_on(self) -> None:
        while not self._ended.is_set():
            with self._may_ask:
                self._look()
                self._ask()
                self._look()
            time.sleep(0.02)

    def _look(self) -> None:
        """Note what is promoted, and what was."""
        current = json.loads((self.shop.dataset / "adrec/current.json").read_text())
        known = [current, *current["earlier"], *current["left"]]
        self.seen.promoted |= {one["sha256"][:16] for one in known} | {sha256[:16] for sha256 in current["withdrawn"]}

    def _ask(self) -> None:
        try:
            status, answer = self.server.ask(user="u1", k=3)
            if self.neighbour:
                self._ask_neighbour()
            ready, _ = self.server.send("GET", "/readyz")
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.seen.faults.append(f"{type(error).__name__}: {error}")
            return
        self.seen.answers += 1
        if status == 200:
            self.seen.models.add(str(answer["model"]))
        if (status, ready) != (200, 200):
            self.seen.faults.append(f"{status}, {ready}: {answer}")

    def _ask_neighbour(self) -> None:
        """Nothing that is done to the shop is to be felt by another one."""
        status, answer = self.server.ask(root=f"/shops/{self.neighbour}", history=["i1"], k=3)
        if status != 200 or self.seen.beside - {answer["model"]}:
            self.seen.faults.append(f"{self.neighbour}: {status}: {answer}")
        self.seen.beside.add(str(answer.get("model")))

    def meddle(self) -> str:
        """Perhaps have the server reload, or kill it and start another one; return what was done."""
        chance = self.random.random()
        if chance < 0.3:
            self.server.command.send(signal.SIGHUP)
            return "SIGHUP"
        if chance < 0.4:
            with self._may_ask:
                self.server.end(signal.SIGKILL)
                self.server = self._start()
            return "killed and started again"
        return ""

    def require_served(self, gone: set[str], log: list[str]) -> None:
        """Check what was answered so far, that the promoted model answers now, and that nobody who left is known."""
        current = json.loads((self.shop.dataset / "adrec/current.json").read_text())["sha256"]
        sequences = self.shop.manifest()["sequences_sha256"]
        wait_until(lambda: self._serves(current), _STALE_SECONDS)
        for user in gone:
            wait_until(lambda user=user: self.server.ask(user=user)[0] == 404, _STALE_SECONDS)
        with self._may_ask:
            assert not self.seen.faults, (self.seen.faults[:3], log)
            assert self.seen.models <= self.seen.promoted, (self.seen.models - self.seen.promoted, sequences, log)

    def _serves(self, sha256: str) -> bool:
        found = json.loads(self.server.send("GET", f"{self.server.root}/healthz")[1])
        return bool(found["checkpoint_sha256"] == sha256 and not found["stale"] and found["promoted"])

    def end(self) -> None:
        """Go away, and end the server in good order."""
        self._ended.set()
        self._thread.join()
        ended = self.server.end()
        assert ended.exit_code == 128 + signal.SIGTERM, ended.stderr
        assert "Traceback" not in ended.stderr
        assert self.seen.answers

    def leave(self) -> None:
        """Go away, whatever becomes of the server."""
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(ValueError):
            self.server.command.process.kill()


@contextlib.contextmanager
def customers_of(shop: Shop, seed: int, neighbour: str = "") -> Iterator[Customers]:
    """Yield customers of a shop and perhaps of its neighbour, who leave in any case."""
    customers = Customers(shop, seed, neighbour)
    try:
        yield customers
    finally:
        customers.leave()
