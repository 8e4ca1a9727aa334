"""Contents elsewhere that nobody needs are removed, and none that anybody may need, whoever pushes meanwhile."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adrec_cli.data.stores import FolderStore
from adrec_cli.errors import InputError, UsageError
from adrec_cli.moving.inventory import Inventory, Part, StoredFile
from adrec_cli.moving.moved import MovingProgress
from adrec_cli.moving.options import PruneOptions
from adrec_cli.moving.place import Place
from adrec_cli.moving.pruning import prune
from adrec_cli.pipeline.pull import pull
from adrec_cli.pipeline.push import push
from tests.examples import tries
from tests.moved_shops import read_visible
from tests.object_store import bucket, endpoint
from tests.robustness.processes import typed_here

__all__ = ["bucket", "endpoint"]

HOUR = 3600.0
PRUNE = PruneOptions(prune=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def pass_hours(place: Path, hours: float) -> None:
    """Let all that lies at a place be older."""
    for path in place.rglob("*"):
        if path.is_file():
            told = path.stat()
            os.utime(path, (told.st_atime, told.st_mtime - hours * HOUR))


def objects(place: Path) -> set[str]:
    return {path.name for path in (place / "objects").rglob("*") if path.is_file()}


def named(place: Path) -> set[str]:
    inventory = Place(str(place)).read_inventory("shop")
    return {part.sha256 for one in inventory.files for part in one.parts}


def prune_at(place: Path, hours: float = 24, on_event: Callable[[object], None] = lambda event: None) -> Any:
    return prune(Place(str(place)), grace_hours=hours, on_event=on_event)


def test_what_was_replaced_is_removed_a_grace_later_and_no_sooner(nights, place, tmp_path) -> None:
    push("shop", str(place), workspace=shutil.copytree(nights[0], tmp_path / "first"))
    old = objects(place)
    pass_hours(place, 100)
    second = shutil.copytree(nights[1], tmp_path / "second")
    done = push("shop", str(place), workspace=second, force=True, pruning=PRUNE)
    replaced = old - named(place)
    assert replaced
    assert (done.pruned.objects, done.pruned.waiting) == (0, len(replaced))
    assert objects(place) == old | named(place)
    pass_hours(place, 23)
    assert push("shop", str(place), workspace=second, pruning=PRUNE).pruned.objects == 0
    pass_hours(place, 2)
    size = sum((place / "objects" / one[:2] / one).stat().st_size for one in replaced)
    before = sorted(place.rglob("*"))
    told = push("shop", str(place), workspace=second, pruning=PRUNE, dry_run=True).pruned
    assert (told.objects, told.bytes, told.dry_run) == (len(replaced), size, True)
    assert sorted(place.rglob("*")) == before
    events: list[MovingProgress] = []
    done = push("shop", str(place), workspace=second, pruning=PRUNE, on_event=events.append).pruned
    assert (done.objects, done.bytes, done.waiting) == (len(replaced), size, 0)
    assert (events[-1].done, events[-1].total) == (size, size)
    assert objects(place) == named(place)
    assert not list((place / "former").iterdir())
    assert not list(place.glob(".clock*"))
    pull(str(place), workspace=tmp_path / "here")
    assert read_visible(tmp_path / "here/shop") == read_visible(second / "shop")


def test_it_is_shown_what_was_removed_and_what_waits(nights, place, tmp_path) -> None:
    push("shop", str(place), workspace=shutil.copytree(nights[0], tmp_path / "first"))
    old = objects(place)
    pass_hours(place, 25)
    line = ["push", "shop", place, "-w", shutil.copytree(nights[1], tmp_path / "second"), "--force", "--prune"]
    done = typed_here(line)
    assert done.exit_code == 0, done.stderr
    waiting = old - named(place)
    assert f"0 objects (0.0 MB) removed from {place}; {len(waiting)} objects (" in done.stdout
    assert "without a data set stay, as 24 hours are not over" in done.stdout
    told = typed_here([*line, "--dry-run", "--grace", "0"])
    assert f"{len(waiting)} objects (" in told.stdout
    assert f"to remove from {place}" in told.stdout
    assert objects(place) == old | named(place)
    removed = json.loads(typed_here([*line, "--grace", "0", "--json"]).stdout)["pruned"]
    assert (removed["objects"], removed["waiting"], removed["grace_hours"]) == (len(waiting), 0, 0)
    assert objects(place) == named(place)
    assert json.loads(typed_here([*line[:-1], "--json"]).stdout)["pruned"] is None


def test_what_may_be_removed_any_moment_is_sent_again_and_nothing_else(place) -> None:
    """A prune that has begun may remove what nobody names before a push that relies on it has ended."""
    parts = {hours: Part(sha256=hashlib.sha256(f"{hours}".encode()).hexdigest(), bytes=5) for hours in (0, 11, 13, 30)}
    for hours, part in parts.items():
        Place(str(place)).send(part, b"bytes")
        (path,) = (place / "objects").rglob(part.sha256)
        old = time.time() - hours * HOUR
        os.utime(path, (old, old))
    found = functools.partial(Place(str(place)).find_missing, parts.values())
    assert found([]) == {parts[13], parts[30]}
    assert found([parts[30]]) == {parts[13]}
    assert found([], again=False) == set()
    absent = Part(sha256="0" * 64, bytes=1)
    longer = dataclasses.replace(parts[0], bytes=6)
    assert Place(str(place)).find_missing([absent, longer], []) == {absent, longer}


@pytest.mark.parametrize("hours", [-1, float("nan")])
def test_a_grace_is_no_less_than_nothing(place, tmp_path, hours) -> None:
    with pytest.raises(UsageError, match="grace"):
        push("shop", str(place), workspace=tmp_path, pruning=PruneOptions(prune=True, grace=hours))
    assert not place.exists()


def test_what_a_killed_push_has_left_is_removed_and_what_is_not_ours_stays(nights, place, tmp_path) -> None:
    push("shop", str(place), workspace=shutil.copytree(nights[0], tmp_path / "first"))
    left = hashlib.sha256(b"left").hexdigest()
    FolderStore(str(place)).write(f"objects/{left[:2]}/{left}", b"left")
    half = place / f"objects/{left[:2]}/.{left}.{'a' * 32}.tmp"
    half.write_bytes(b"le")
    (place / "objects/README.txt").write_text("ours")
    (place / "objects/0a").mkdir(exist_ok=True)
    (place / "objects/0a/notes").write_text("ours")
    assert prune_at(place).objects == 0
    pass_hours(place, 25)
    assert prune_at(place).objects == 2
    assert objects(place) == named(place) | {"README.txt", "notes"}


def test_another_data_set_keeps_what_it_names(nights, place, tmp_path) -> None:
    first = shutil.copytree(nights[0], tmp_path / "first")
    push("shop", str(place), workspace=first)
    content = Place(str(place)).read_inventory("shop")
    other = dataclasses.replace(content, dataset="other-shop")
    Place(str(place)).write_inventory(other)
    (place / "datasets/shop.json").unlink()
    pass_hours(place, 1000)
    assert prune_at(place).objects == 0


@pytest.mark.parametrize("which", ["datasets/shop.json", "former"])
def test_nothing_is_removed_where_it_is_not_known_what_is_named(nights, place, tmp_path, which) -> None:
    push("shop", str(place), workspace=shutil.copytree(nights[0], tmp_path / "first"))
    pass_hours(place, 100)
    push("shop", str(place), workspace=shutil.copytree(nights[1], tmp_path / "second"), force=True)
    before = objects(place)
    damaged = next((place / which).iterdir()) if which == "former" else place / which
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(InputError, match="is damaged"):
        prune_at(place)
    assert objects(place) == before


def test_one_that_is_killed_at_any_step_is_gone_on_with(nights, place, tmp_path) -> None:
    push("shop", str(place), workspace=shutil.copytree(nights[0], tmp_path / "first"))
    second = shutil.copytree(nights[1], tmp_path / "second")
    push("shop", str(place), workspace=second, force=True)
    pass_hours(place, 25)
    remove, ended = FolderStore.remove, 0
    while True:
        removed = 0

        def one_only(self: FolderStore, path: str) -> None:
            nonlocal removed
            if not path.startswith(".clock"):
                removed += 1
                if removed > 1:
                    raise InterruptedError
            remove(self, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FolderStore, "remove", one_only)
            try:
                prune_at(place)
                break
            except Exception:
                ended += 1
        assert named(place) <= objects(place)
    assert ended > 3
    assert objects(place) == named(place)


def test_an_object_store_gives_the_same(bucket, nights, tmp_path, monkeypatch) -> None:
    address = "s3://lake/models"
    push("shop", address, workspace=shutil.copytree(nights[0], tmp_path / "first"))
    second = shutil.copytree(nights[1], tmp_path / "second")
    done = push("shop", address, workspace=second, force=True, pruning=PRUNE).pruned
    assert done.objects == 0
    assert done.waiting > 0
    # Its times are whole seconds.
    time.sleep(1.1)
    pruned = push("shop", address, workspace=second, pruning=PruneOptions(prune=True, grace=0.5 / HOUR)).pruned
    assert (pruned.objects, pruned.bytes, pruned.waiting) == (done.waiting, done.waiting_bytes, 0)
    pull(address, workspace=tmp_path / "here")
    assert read_visible(tmp_path / "here/shop") == read_visible(second / "shop")
    assert push("shop", address, workspace=second, pruning=PruneOptions(prune=True, grace=0)).pruned.objects == 0


PARTS = [Part(sha256=hashlib.sha256(bytes([number])).hexdigest(), bytes=1) for number in range(3)]
WANTED = st.sets(st.sampled_from(PARTS), min_size=1, max_size=2)
GRACE = 24
"""Hours; a push takes less."""


class Moving(RuleBasedStateMachine):
    """People who push one data set at the same time, step by step, while somebody prunes and hours pass."""

    def __init__(self) -> None:
        super().__init__()
        self.time, self.files = 1000.0, {}
        self.pushing: list[dict[str, Any]] = []
        machine = self

        class Store(FolderStore):
            """A store in memory with a clock of its own."""

            def write(self, path: str, content: bytes) -> None:
                machine.files[path] = (content, machine.time * HOUR)

            def read(self, path: str, most: int) -> bytes:
                if path not in machine.files:
                    raise FileNotFoundError(path)
                return machine.files[path][0]

            def remove(self, path: str) -> None:
                del machine.files[path]

            def list_names(self, folder: str) -> list[str]:
                return [one.rpartition("/")[2] for one in machine.files if one.startswith(f"{folder}/")]

            def list_all(self, folder: str) -> list[Any]:
                return [self._look_up(one) for one in machine.files if one.startswith(f"{folder}/")]

            def _look_up(self, path: str) -> Any:
                from adrec_cli.data.stores import Entry

                if path not in machine.files:
                    return None
                content, modified = machine.files[path]
                return Entry(path=path, size=len(content), modified=modified)

        self.place = Place("/nowhere")
        self.place._store = Store("/nowhere")
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("adrec_cli.moving.place.time.time", lambda: machine.time * HOUR)

        def parse(content: bytes, dataset: str, shown: str) -> Inventory:
            return READ[content]

        READ: dict[bytes, Inventory] = {}

        def write(inventory: Inventory) -> bytes:
            READ[content := repr(inventory).encode()] = inventory
            return content

        self.patch.setattr("adrec_cli.moving.place.parse_inventory", parse)
        self.patch.setattr("adrec_cli.moving.place.write_inventory", write)

    def teardown(self) -> None:
        self.patch.undo()

    @rule(wanted=WANTED)
    def begin(self, wanted: set[Part]) -> None:
        there = self.place.read_inventory("shop")
        named = set() if there is None else {part for one in there.files for part in one.parts}
        missing = sorted(self.place.find_missing(wanted, named), key=lambda part: part.sha256)
        self.pushing.append({"wanted": wanted, "missing": missing, "begun": self.time})

    @precondition(lambda self: self.pushing)
    @rule(data=st.data())
    def send_some(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.pushing))
        for part in one["missing"][: data.draw(st.integers(1, len(PARTS)))]:
            self.place.send(part, bytes([PARTS.index(part)]))
            one["missing"].remove(part)

    @precondition(lambda self: self.pushing)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.pushing))
        for part in one["missing"]:
            self.place.send(part, bytes([PARTS.index(part)]))
        wanted = sorted(part.sha256 for part in one["wanted"])
        files = tuple(StoredFile(path=name, sha256=name, bytes=1, parts_sha256=(name,)) for name in wanted)
        self.place.write_inventory(Inventory(dataset="shop", files=files, pushed_at="", adrec_version=""))
        self.pushing.remove(one)

    @rule(wanted=WANTED)
    def push_at_once(self, wanted: set[Part]) -> None:
        self.begin(wanted)
        (*self.pushing, last) = self.pushing
        before, self.pushing = self.pushing, [last]
        self.finish(SimpleNamespace(draw=lambda _: last))
        self.pushing = before

    @rule(hours=st.sampled_from([5, 11, 13, 25]))
    def wait(self, hours: int) -> None:
        self.time += hours
        # Who takes as long as that is killed.
        self.pushing = [one for one in self.pushing if self.time - one["begun"] < GRACE / 2]

    @rule()
    def prune(self) -> None:
        prune(self.place, grace_hours=GRACE, on_event=lambda event: None)

    @invariant()
    def all_that_is_named_is_there(self) -> None:
        there = self.place.read_inventory("shop")
        for one in () if there is None else there.files:
            assert f"objects/{one.sha256[:2]}/{one.sha256}" in self.files


TestMoving = Moving.TestCase
TestMoving.settings = settings(max_examples=tries(150), stateful_step_count=30, deadline=None)
