"""A shop after each of two nights, and a place to push it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adrec_cli.pipeline.pull import Pulling
from tests.moved_shops import nights, read_visible

__all__ = ["nights"]

FORCE = Pulling(force=True)


@pytest.fixture
def first(nights: tuple[Path, Path], tmp_path: Path) -> Path:
    """A workspace of its own after the first night."""
    return shutil.copytree(nights[0], tmp_path / "first")


@pytest.fixture
def second(nights: tuple[Path, Path], tmp_path: Path) -> Path:
    """A workspace of its own after the second night."""
    return shutil.copytree(nights[1], tmp_path / "second")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "place")


def require_equal(here: Path, there: Path) -> None:
    assert read_visible(here / "shop") == read_visible(there / "shop")


def copies_left(workspace: Path) -> list[Path]:
    return [path for path in (workspace / ".shop.moving").glob("*") if path.name not in ("marks.json", ".lock")]


def forget(workspace: Path, *users: str) -> None:
    from adrec_cli.pipeline.forget import forget

    forget("shop", set(users), workspace=workspace)
