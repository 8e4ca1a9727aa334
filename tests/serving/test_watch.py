"""The watch for promoted models goes on whatever happens, less often while it fails, and says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from adrec_cli.errors import ArtifactError
from adrec_cli.serving import watch
from adrec_cli.serving.exposition import ServerMetrics
from adrec_cli.serving.watch import ModelWatch


class Panic(BaseException):
    """As Polars raises."""


@dataclass
class Model:
    """Has a name."""

    name: str


class Shelf:
    """Models to load; an error lies in place of one that cannot be."""

    def __init__(self, *loaded):
        self.loaded, self.told, self.metrics = list(loaded), [], ServerMetrics()

    def load(self):
        found = self.loaded.pop(0)
        if isinstance(found, BaseException):
            raise found
        return Model(found)

    def watch(self, poll_seconds=1.0):
        return ModelWatch(
            self.load, lambda model: bool(self.loaded), poll_seconds=poll_seconds, metrics=self.metrics,
            on_reload=lambda *said: self.told.append(said),
        )  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't start new thread"), MemoryError(), Panic("rust"), OSError(24, "x"), ArtifactError("d")],
)
def test_the_watch_survives_any_exception(error: BaseException) -> None:
    shelf = Shelf("old", error, "new")

    async def look_twice():
        watched = shelf.watch()
        await watched.look()
        assert (watched.model.name, watched.stale) == ("old", True)
        assert shelf.metrics.value("adrec_stale") == 1
        await watched.look()
        assert (watched.model.name, watched.stale) == ("new", False)

    asyncio.run(look_twice())
    assert [name for name, _ in shelf.told] == ["old", "new"]
    assert shelf.metrics.value("adrec_reload_failures_total") == 1
    assert shelf.metrics.value("adrec_reloads_total") == 1
    assert shelf.metrics.value("adrec_stale") == 0


def test_it_looks_less_often_while_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds):
        waited.append(seconds)
        if len(waited) > 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(watch.asyncio, "sleep", sleep)
    shelf = Shelf("old", *[MemoryError() for _ in range(7)], "new")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(shelf.watch(2.0).run())
    assert waited == [2, 4, 8, 16, 32, 60, 60, 60, 2]


def test_asked_to_it_loads_the_same_model_again() -> None:
    shelf = Shelf("old", "old")

    async def look():
        watched = shelf.watch()
        await watched.look(anyway=True)

    asyncio.run(look())
    assert shelf.told == [("old", "")]
