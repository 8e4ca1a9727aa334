"""What the shell completes, as the shell asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adrec_cli.cli.app import app


def completed(words: str, workspace: Path) -> list[str]:
    """Return what bash is offered after these words."""
    env = {
        "_ADREC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "ADREC_WORKSPACE": str(workspace),
    }
    return CliRunner(env=env).invoke(app, prog_name="adrec").stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("adrec ev", ["evaluate"]),
        ("adrec preprocess gro", ["grocery"]),
        ("adrec train --preset pa", ["paper"]),
        ("adrec train --model a", ["adrec"]),
        ("adrec train sh", ["shop"]),
        ("adrec align --from pre", ["pretrain.safetensors"]),
        ("adrec evaluate f", ["finetune.safetensors"]),
        ("adrec evaluate m", ["mostpop"]),
        ("adrec sweep --ablate to", ["token-level"]),
        ("adrec sweep --vary lam", ["lambda="]),
        ("adrec tune --model sasrec --search blo", ["blocks="]),
        ("adrec preprocess x --ties i", ["item"]),
        ("adrec recommend --noi", ["--noise"]),
    ],
)
def test_completion(words: str, offered: list[str], shop: Path) -> None:
    assert completed(words, shop) == offered


def test_an_ambiguous_checkpoint_is_completed_as_a_path(shop: Path, tmp_path: Path) -> None:
    for dataset in ("one", "two"):
        folder = tmp_path / dataset / "adrec"
        folder.mkdir(parents=True)
        (folder / "finetune.safetensors").touch()
    offered = completed(f"adrec evaluate {tmp_path}", tmp_path)
    assert offered == [str(tmp_path / name / "adrec/finetune.safetensors") for name in ("one", "two")]
