"""The figures equal those the official notebook computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from adrec_cli.diagnostics.embedding import TERMS, diagnose


@pytest.mark.parametrize("kind", ["isotropic", "collapsed"])
def test_the_figures_equal_the_recorded_ones(golden: Path, kind: str) -> None:
    recorded = json.loads((golden / "embedding_diagnostics.json").read_text())[kind]
    found = diagnose(torch.tensor(recorded["embedding"], dtype=torch.float64))
    expected = dict(recorded["diagnostics"])
    assert found.singular_values[:5] == pytest.approx(expected.pop("top5_singular_values"), rel=1e-13)
    assert len(expected) == 8
    for name, value in expected.items():
        assert name in TERMS
        assert getattr(found, name) == pytest.approx(value, rel=1e-10, abs=1e-15), name
