"""A workspace with a promoted model."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.experiments.options import ExperimentOptions
from adrec_cli.pipeline.run import RunOptions, run
from tests.conftest import TINY, write_interactions


@pytest.fixture(scope="session", name="workspace")
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a promoted model, which tests only read; its source lies beside it."""
    folder = tmp_path_factory.mktemp("api")
    write_interactions(folder / "shop.csv")
    run(
        str(folder / "shop.csv"),
        workspace=folder / "workspace",
        options=RunOptions(experiment=ExperimentOptions(overrides=TINY)),
    )
    return folder / "workspace"
