"""Where the shared real data and recorded values are, for the tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ADREC_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"shared {name} not present (looked beside the repository and in $ADREC_SHARED)")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of values recorded from the official ADRec code."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets."""
    return _shared_folder("data")
