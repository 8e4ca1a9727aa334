"""Folders that go between being seen and being looked into end no search."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adrec_cli.artifacts.matching_paths import matching_paths

FILES = ("a.lock", "one/b.lock", "one/two/c.lock", "two/d.lock", "two/e.txt")
PATTERNS = ("*.lock", "*/*.lock", "one/*", "**/*.lock", "*/two/*", "*")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text("")
    return tmp_path / "tree"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_finds_what_pathlib_does(tree: Path, pattern: str) -> None:
    assert sorted(matching_paths(tree, pattern)) == sorted(tree.glob(pattern))
    assert matching_paths(tree / "nowhere", pattern) == []


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("gone", [".", "one", "one/two", "two"])
@pytest.mark.parametrize("becomes_a_file", [False, True])
def test_what_goes_when_it_is_looked_into_is_not_found(
    tree: Path, pattern: str, gone: str, becomes_a_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.scandir

    def scandir(place: Path) -> Iterator[os.DirEntry[str]]:
        if Path(place) == tree / gone and (tree / gone).is_dir():
            (tree / gone).rename(tree.parent / "elsewhere")
            if becomes_a_file:
                (tree / gone).write_text("")
        return look(place)

    monkeypatch.setattr(os, "scandir", scandir)
    found = matching_paths(tree, pattern)
    monkeypatch.undo()
    assert sorted(found) == sorted(tree.glob(pattern))
