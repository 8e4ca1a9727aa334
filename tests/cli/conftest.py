"""A tiny trained workspace, and ways to type commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adrec_cli.cli.app import app

TINY = ["--set", "model.hidden_size=8", "--set", "model.heads=2", "--threads", "1"]
"""Flags that make training a matter of milliseconds."""

Adrec = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def adrec() -> Adrec:
    """Type a command in this process; options --workspace and so on are up to the test."""

    def typed(*arguments: object, **env: str) -> Result:
        return CliRunner(env={"ADREC_WORKSPACE": None, "ADREC_RAW": None, **env}).invoke(app, list(map(str, arguments)))

    return typed


def environment(**more: str) -> dict[str, str]:
    """Return an environment for a process of its own, with no variable of adrec set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ADREC_")} | more


@pytest.fixture(scope="session")
def process() -> Process:
    """Type a command in a process of its own, through pipes."""

    def typed(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "adrec_cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment(**(env or {})), timeout=120)

    return typed


def write_shop(path: Path, users: int = 40, items: int = 12) -> Path:
    """Write users who go through the items in order, each from another one on."""
    rows = [
        f"u{user:02},i{(user * 5 + event) % items:02},{1_400_000_000 + user * 7 + event * 60}"
        for user in range(users)
        for event in range(8)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of interactions, with titles beside it in titles.csv."""
    path = write_shop(tmp_path_factory.mktemp("raw") / "shop.csv")
    # Markup, a bar, a bell and a direction mark: what data may hold and a terminal must not act on.
    titles = ["[bold]Tea[/bold]", "Crème brûlée", "beep\x07", "\u202eevil"] + [f"Item {n}" for n in range(4, 12)]
    rows = [f'i{number:02},"{title}"' for number, title in enumerate(titles)]
    path.with_name("titles.csv").write_text("\n".join(["item_id,title", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, trained_shop: Path) -> Path:
    """A module's own copy of the trained shop: what its tests add is there for no other file of tests."""
    workspace = tmp_path_factory.mktemp("shop") / "workspace"
    shutil.copytree(trained_shop, workspace)
    return workspace


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory, csv: Path, adrec: Adrec) -> Path:
    """A workspace with the data set `shop` and the three stages of ADRec trained on it; tests only read it."""
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    made = adrec("preprocess", csv, "--items", csv.with_name("titles.csv"), "--workspace", workspace)
    assert made.exit_code == 0, made.stderr
    trained = adrec("train", "shop", "--workspace", workspace, "--epochs", 1, *TINY)
    assert trained.exit_code == 0, trained.stderr
    return workspace
