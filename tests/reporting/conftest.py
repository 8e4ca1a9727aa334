"""A report of a data set of which there is nothing else yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.loading.opening import Dataset, open_dataset
from adrec_cli.reporting.material import Material


@pytest.fixture(scope="module")
def dataset(tiny_source: Path) -> Dataset:
    return open_dataset(tiny_source / "tiny")


@pytest.fixture
def material(dataset: Dataset) -> Material:
    return Material(dataset=dataset, models={}, evaluations=[], sweeps=[], searches=[], left_out=[])
