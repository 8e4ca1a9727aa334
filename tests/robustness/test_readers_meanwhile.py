"""Whoever reads while another command writes finds what was there at one moment, whenever the other goes on.

Nothing that only reads is locked out. What a writer does is recorded step by step, and done again between two looks of
a reader at the workspace: at one look all of it, or from one look on a step before each. Every part of an answer must
be one that a reader gets who comes while the writer stands still.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.moved_shops import nights
from tests.robustness.meanwhile import Replay, Step, between_looks, link_tree, record
from tests.robustness.processes import TINY, Ended, typed_here
from tests.robustness.shop import NIGHT, Shop, events_of
from tests.tiers import sampled

__all__ = ["nights"]
Parts = Mapping[str, str]
MOST_MOMENTS = 5
"""At how many looks a writer begins, evenly spread; all in the slow suite."""
WRONG = re.compile(r"damaged|does not exist|is missing|is gone|Traceback|is a bug")


def _as_one(ended: Ended) -> Parts:
    return {"": f"{ended.exit_code} {ended.stdout} {ended.stderr}"}


def _by_model(ended: Ended) -> Parts:
    parts: dict[str, Any] = {}
    for dataset in json.loads(ended.stdout)["datasets"]:
        parts |= {f"{dataset['name']}/{model['name']}": model for model in dataset.pop("models")}
        parts[dataset["name"]] = dataset
    return {name: json.dumps(told) for name, told in parts.items()}


def _by_artifact(ended: Ended) -> Parts:
    return {one["path"]: json.dumps(one) for one in json.loads(ended.stdout)["verdicts"]}


READERS: dict[str, tuple[list[str], Callable[[Ended], Parts]]] = {
    "status": (["status", "--json"], _by_model),
    "verify": (["verify", "--json"], _by_artifact),
    "clean": (["clean", "--dry-run", "--json"], _as_one),
    "recommend": (["recommend", "--user", "u1", "--json"], _as_one),
    "batch": (["recommend", "--all", "--json", "--out", "OUT.csv"], _as_one),
    "inspect": (["inspect", "--json", "--clusters", "2"], _as_one),
    "report": (["report", "--no-pictures", "--out", "OUT.html", "--json"], _as_one),
    "card": (["card", "--out", "OUT.md", "--json"], _as_one),
    "compare": (["compare", "--no-evaluate", "--json"], _as_one),
    "convert": (["convert", "--to", "csv", "--out", "OUT"], _as_one),
    "export": (["export", "OUT.parquet", "--vectors", "items", "--json"], _as_one),
    "push": (["push", "shop", "OUT", "--dry-run", "--json"], _as_one),
}
WRITERS: dict[str, tuple[str, list[object]]] = {
    "pull": ("first", ["pull", "SECOND", "shop", "--force"]),
    "night": ("second", ["run", "shop", "--inbox", "INBOX", *NIGHT, "--keep", "2", "--keep-data", "1"]),
    "rollback": ("second", ["rollback", "shop", "--data"]),
    "forget": ("second", ["forget", "shop", "--user", "u3"]),
    "evaluate": ("second", ["evaluate", "finetune", "--seed", "9"]),
    "train": ("second", ["train", "shop", *TINY, "--seed", "3"]),
    "sweep": ("second", ["sweep", "shop", "--vary", "lambda=0.01", *TINY]),
    "clean": ("second", ["clean", "--yes"]),
}


class Scene:
    """Workspaces that writers begin in, and what they do there."""

    def __init__(self, folder: Path, nights: tuple[Path, Path]) -> None:
        self.folder, self.workspace = folder, folder / "played/workspace"
        self._starts = dict(zip(("first", "second"), nights, strict=True))
        self._steps: dict[str, list[Step]] = {}
        self._told: dict[tuple[str, str, int], Parts] = {}
        done = typed_here(["push", "shop", folder / "place", "--workspace", nights[1]])
        assert done.exit_code == 0, done.stderr
        Shop(folder).arrives("tuesday.csv", events_of(range(15), 2))

    def steps(self, writer: str) -> list[Step]:
        """Return what a writer does, recorded when this is first asked for."""
        if writer not in self._steps:
            start, line = WRITERS[writer]
            workspace = self.folder / "recorded/workspace"
            shutil.rmtree(workspace, ignore_errors=True)
            shutil.copytree(self._starts[start], workspace)
            places = {"SECOND": self.folder / "place", "INBOX": self.folder / "incoming"}
            typed = [places.get(str(word), word) for word in line]

            def write() -> None:
                done = typed_here([*typed, "--workspace", workspace])
                assert done.exit_code in (0, 8), done.stderr

            with pytest.MonkeyPatch.context() as patched:
                self._steps[writer] = record(workspace, write, patched)
        return self._steps[writer]

    def replay(self, writer: str) -> Replay:
        """Return the writer at its beginning, in a workspace as it was then."""
        link_tree(self._starts[WRITERS[writer][0]], self.workspace)
        return Replay(self.workspace, self.steps(writer))

    def read(self, reader: str) -> Parts:
        """Return what a reader says, without what the clock says."""
        line, parts = READERS[reader]
        typed = [word.replace("OUT", str(self.workspace.with_name("out"))) for word in line]
        ended = typed_here([*typed, "--workspace", self.workspace])
        found = parts(ended) if ended.exit_code == 0 or ended.stdout.startswith("{") else _as_one(ended)
        clock = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[:\d+]*|\d+\.\d+ s\b|process \d+|seconds\W+[^,\n]+")
        for path in self.workspace.parent.glob("out*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return {name: clock.sub("*", text) for name, text in found.items()}

    def told_at_rest(self, reader: str, writer: str, done: int) -> Parts:
        """Return what a reader says while a writer stands still that has done some of its steps."""
        key = (reader, writer, done)
        if key not in self._told:
            replay = self.replay(writer)
            replay.go_on(done)
            self._told[key] = self.read(reader)
            replay.let_go()
        return self._told[key]

    def told_sometime(self, reader: str, writer: str) -> Iterator[Parts]:
        """Yield what a reader says before, behind, and then at each step."""
        last = len(self.steps(writer))
        for done in (0, last, *range(1, last)):
            yield self.told_at_rest(reader, writer, done)

    def told_meanwhile(self, reader: str, writer: str, way: str, moment: int) -> tuple[Parts, int]:
        """Return what a reader says where a writer begins at a moment, and how many looks the reader took."""
        replay = self.replay(writer)

        def happen(look: int) -> None:
            if look == moment and way == "at once":
                replay.finish()
            elif look >= moment and way == "step by step":
                replay.go_on()

        with pytest.MonkeyPatch.context() as patched, between_looks(self.workspace, happen, patched) as looks:
            told = self.read(reader)
        replay.let_go()
        return told, looks[0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, nights: tuple[Path, Path]) -> Scene:
    return Scene(tmp_path_factory.mktemp("meanwhile"), nights)


def require_true(scene: Scene, reader: str, writer: str, way: str, moments: int | None) -> None:
    _, looks = scene.told_meanwhile(reader, writer, way, -1)
    assert looks > 3
    # Others of each writer, so that together they are many.
    step = 1 if moments is None else max(1, looks // moments)
    first = list(WRITERS).index(writer) % step
    for moment in range(first, looks, step):
        told, _ = scene.told_meanwhile(reader, writer, way, moment)
        for name, text in told.items():
            known = (parts.get(name) == text for parts in scene.told_sometime(reader, writer))
            assert any(known), f"{reader} while {writer} {way} from look {moment} on: {name} {text}"


WAYS = ["at once", "step by step"]
QUICK = [("convert", "pull", "at once"), ("status", "pull", "at once")]
TRIED = [
    *QUICK,
    *((reader, "pull", "at once") for reader in ("push", "report")),
    *((reader, "night", "at once") for reader in READERS if reader != "inspect"),
    *((reader, "rollback", "at once") for reader in ("status", "verify", "recommend", "compare")),
    *((reader, "forget", "at once") for reader in ("status", "verify", "recommend")),
    ("compare", "evaluate", "at once"),
    ("status", "train", "step by step"),
    ("recommend", "pull", "step by step"),
    ("verify", "clean", "at once"),
]
"""Reader, writer and way; all others are in the slow suite."""


@sampled("reader,writer,way", TRIED, quick=QUICK)
def test_a_reader_finds_one_moment(scene: Scene, reader: str, writer: str, way: str) -> None:
    require_true(scene, reader, writer, way, 3 if (reader, writer, way) in QUICK else MOST_MOMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("way", WAYS)
def test_at_every_moment(scene: Scene, reader: str, writer: str, way: str) -> None:
    require_true(scene, reader, writer, way, None)


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["status", "verify", "recommend", "convert"])
@pytest.mark.parametrize("writer", WRITERS)
def test_nothing_is_called_damaged_where_a_writer_stands_still(scene: Scene, reader: str, writer: str) -> None:
    last = len(scene.steps(writer))
    for done in range(1, last, max(1, last // MOST_MOMENTS)):
        for name, text in scene.told_at_rest(reader, writer, done).items():
            assert not WRONG.search(text), f"{reader} after {done} steps of {writer}: {name} {text}"
