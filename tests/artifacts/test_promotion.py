"""Generations: what stays, what goes, and that nothing of anybody else's goes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adrec_cli.artifacts import promotion
from adrec_cli.artifacts.promotion import Candidate, promote, read_current, withdraw
from adrec_cli.errors import ArtifactError


class Shelf:
    """A model's folder whose models are bytes, promoted a day apart."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.day = folder, 0
        self.items = folder / "items.parquet"
        self.items.write_bytes(b"items")
        shelf = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(2026, 1, 1, tzinfo=tz) + timedelta(days=shelf.day)

        monkeypatch.setattr(promotion, "datetime", Clock)

    def promote(self, name: str, keep: int = 3) -> None:
        self.day += 1
        path = self.folder / f"{name}.safetensors"
        path.write_bytes(name.encode())
        candidate = Candidate(
            checkpoint=path, sha256=hashlib.sha256(name.encode()).hexdigest(), items=self.items,
            items_sha256=hashlib.sha256(b"items").hexdigest(), protocol="", metric="", value=None,
        )  # fmt: skip
        promote(self.folder, candidate, keep=keep)

    @property
    def there(self) -> set[str]:
        """The models whose copies are there, with their items."""
        copies = list((self.folder / "promoted").glob("*.safetensors"))
        assert all(promotion.items_beside(path).is_file() for path in copies)
        return {path.read_bytes().decode() for path in copies}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(tmp_path, monkeypatch)


def test_as_many_stay_as_are_kept(shelf: Shelf) -> None:
    for name in "abcd":
        shelf.promote(name)
    assert shelf.there == {"b", "c", "d"}


def test_a_withdrawn_generation_stays_as_long_as_the_others(shelf: Shelf) -> None:
    shelf.promote("a")
    shelf.promote("bad")
    withdraw(shelf.folder)
    assert shelf.there == {"a", "bad"}
    for name, there in (("c", {"a", "bad", "c"}), ("d", {"a", "bad", "c", "d"}), ("e", {"c", "d", "e"})):
        shelf.promote(name)
        assert shelf.there == there
    current = read_current(shelf.folder)
    assert current is not None
    assert (current.left, len(current.withdrawn)) == ([], 1)


def test_nothing_stays_beside_the_only_one_that_is_kept_whatever_the_clock_says(shelf: Shelf) -> None:
    """As when somebody is forgotten: what was gone back from has learned from them, too."""
    shelf.promote("a")
    shelf.promote("b")
    withdraw(shelf.folder)
    shelf.day = -1000
    shelf.promote("c", keep=1)
    assert shelf.there == {"c"}


def test_a_withdrawn_generation_promoted_again_is_there_once(shelf: Shelf) -> None:
    shelf.promote("a")
    shelf.promote("b")
    withdraw(shelf.folder)
    shelf.promote("b")
    current = read_current(shelf.folder)
    assert current is not None
    assert (current.left, current.withdrawn, len(current.earlier)) == ([], [], 1)
    assert shelf.there == {"a", "b"}


def test_only_what_the_history_names_is_swept(shelf: Shelf) -> None:
    shelf.promote("a", keep=2)
    mine = shelf.folder / "promoted" / "mine.safetensors"
    mine.write_bytes(b"mine")
    notes = shelf.folder / "promoted" / "notes.items.parquet"
    notes.write_bytes(b"notes")
    for name in "bcd":
        shelf.promote(name, keep=2)
    assert mine.read_bytes() == b"mine"
    assert notes.read_bytes() == b"notes"
    mine.unlink()
    assert shelf.there == {"c", "d"}


@pytest.mark.parametrize(
    "place", ["z.safetensors", "older/z.safetensors", "z/z.safetensors", "promoted/in/z.safetensors"]
)
def test_a_dropped_generation_that_lies_elsewhere_is_not_ours_to_remove(shelf: Shelf, place: str) -> None:
    shelf.promote("a")
    current = read_current(shelf.folder)
    assert current is not None
    path = shelf.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"somebody else's")
    promotion._write(shelf.folder, replace(current, checkpoint=place))
    for name in "bcde":
        shelf.promote(name, keep=1)
    assert path.read_bytes() == b"somebody else's"
    assert shelf.there == {"a", "e"}


def test_where_the_generation_before_is_gone_nothing_is_withdrawn(shelf: Shelf) -> None:
    for name in "ab":
        shelf.promote(name)
    current = read_current(shelf.folder)
    assert current is not None
    (shelf.folder / current.earlier[0].checkpoint).unlink()
    with pytest.raises(ArtifactError, match="does not exist") as refused:
        withdraw(shelf.folder)
    # As nothing has changed, a run that is not forced would have nothing to do.
    assert "--force" in refused.value.hint
    assert read_current(shelf.folder) == current
