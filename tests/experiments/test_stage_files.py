"""Which states a stage goes on from: those of the very same work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from adrec_cli.errors import ArtifactError
from adrec_cli.experiments import stage_files
from adrec_cli.experiments.stage_files import StageFiles

KEY = "4" * 64


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of states that a training was asked to go on from."""
    monkeypatch.setattr(stage_files, "load_state", lambda path: ({}, {"run_key": path.read_text(), "log": "1\n2"}))
    return []


def restore(folder: Path, of_state: str, resume: str, taken: list[str]) -> StageFiles:
    files = StageFiles(folder / "train.safetensors", KEY)
    files.state_path.write_text(of_state)
    training = SimpleNamespace(restore=lambda tensors, text: taken.append(text["run_key"]))
    found = files.restore(training, resume)  # type: ignore[arg-type]
    assert (found is not None) == bool(taken)
    return files


@pytest.mark.parametrize("resume", ["auto", "require"])
def test_a_state_of_the_same_work_is_gone_on_from(resume: str, taken: list[str], tmp_path: Path) -> None:
    assert restore(tmp_path, KEY, resume, taken).rows == ["1", "2"]
    assert taken == [KEY]


@pytest.mark.parametrize("other", ["0" * 64, "f" * 64, ""])
def test_one_of_other_work_is_not(other: str, taken: list[str], tmp_path: Path) -> None:
    assert restore(tmp_path, other, "auto", taken).rows == []
    with pytest.raises(ArtifactError, match="belongs to a run with other data, options or code"):
        restore(tmp_path, other, "require", taken)
    assert taken == []


def test_none_is_where_none_is_wanted(taken: list[str], tmp_path: Path) -> None:
    assert restore(tmp_path, KEY, "never", taken).rows == []
    assert taken == []
