"""Pickles of PyTorch are refused for what they are, and nobody is asked to remove one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adrec_cli.artifacts.tensor_text import read_text
from adrec_cli.errors import ArtifactError
from adrec_cli.pipeline.evaluate import evaluate


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_a_pickle_is_refused_as_one(workspace: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"official{suffix}"
    torch.save({"item_embedding.weight": torch.zeros(3, 2)}, path)
    for read in (lambda: read_text(path), lambda: evaluate(str(path), workspace=workspace, dataset_name="tiny")):
        with pytest.raises(ArtifactError, match="is a pickle of PyTorch") as refused:
            read()
        assert refused.value.hint == "train the model here: adrec train"


def test_what_is_damaged_is_still_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(ArtifactError, match="is damaged"):
        read_text(tmp_path / "a.safetensors")
