"""What tests of pictures share."""

from __future__ import annotations

import pytest


@pytest.fixture
def without_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out laying figures out, which takes most of the time and moves nothing within the axes."""
    monkeypatch.setattr("adrec_cli.plots.style._settle", lambda result: None)
