"""Files below a folder are found behind links too, once, and links that lead in circles end nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adrec_cli.artifacts import below
from adrec_cli.artifacts.below import find_below

FILES = ("a.lock", "one/b.lock", "one/.hidden/c.lock", "one/two/three/d.lock", "one/two/e.txt")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text("")
    return tmp_path / "tree"


def names_of(tree: Path) -> list[str]:
    return [str(path.relative_to(tree)) for path in find_below(tree, "*.lock")]


def test_without_links_they_are_those_of_a_pattern(tree: Path) -> None:
    assert find_below(tree, "*.lock") == sorted(tree.rglob("*.lock"))
    assert [path.name for path in find_below(tree, "e.txt")] == ["e.txt"]
    assert find_below(tree / "nowhere", "*") == []


@pytest.mark.parametrize("moved", ["one", "one/.hidden", "one/two", "one/two/three"])
def test_a_folder_that_lies_elsewhere_is_looked_into(tree: Path, moved: str) -> None:
    before = names_of(tree)
    (tree / moved).rename(tree.parent / "disk")
    (tree / moved).symlink_to(tree.parent / "disk")
    assert names_of(tree) == before


def test_what_two_links_lead_to_is_found_once_and_circles_end(tree: Path) -> None:
    (tree / "one/up").symlink_to(tree)
    (tree / "one/two/three/self").symlink_to(".")
    (tree / "zero").symlink_to(tree / "one/two")
    (tree / "nowhere").symlink_to("gone")
    found = find_below(tree, "*.lock")
    assert len(found) == len({path.resolve() for path in found}) == 4


def test_a_folder_that_is_removed_meanwhile_holds_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = below.file_identity

    def look(path: Path) -> tuple[int, ...] | None:
        if path.name == "two":
            shutil.rmtree(path)
        return real(path)

    monkeypatch.setattr(below, "file_identity", look)
    assert names_of(tree) == ["a.lock", "one/.hidden/c.lock", "one/b.lock"]
