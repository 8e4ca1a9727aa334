"""A source and a finished workspace that tests copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import write_interactions
from tests.robustness.processes import TINY, typed


@pytest.fixture(scope="session")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interactions of 40 users."""
    path = tmp_path_factory.mktemp("raw") / "shop.csv"
    write_interactions(path, users=40, items=15)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, csv: Path) -> Path:
    """A workspace in which `adrec run` has been; tests copy it."""
    folder = tmp_path_factory.mktemp("finished")
    done = typed(["run", csv, "--workspace", folder / "workspace", *TINY], folder)
    assert done.exit_code == 0, done.stderr
    return folder / "workspace"


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A finished workspace of a test's own."""
    shutil.copytree(finished, tmp_path / "workspace")
    return tmp_path / "workspace"
