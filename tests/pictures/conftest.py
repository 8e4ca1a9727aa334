"""A data set, and what is drawn of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.loading.opening import Dataset, open_dataset


@pytest.fixture(scope="module")
def dataset(tiny_source: Path) -> Dataset:
    return open_dataset(tiny_source / "tiny")


@dataclass
class Asked:
    """What a function that draws was asked for, each time."""

    what: list[Any] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def catch(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Asked]:
    """Return what puts something that only takes down what it is asked for in place of a function that draws."""

    def put(name: str) -> Asked:
        asked = Asked()

        def draw(what: Any, *rest: Any, **options: Any) -> str:
            asked.what.append((what, *rest) if rest else what)
            asked.options.append(options)
            return "figure"

        monkeypatch.setattr(f"adrec_cli.pictures.{name}", draw)
        return asked

    return put
