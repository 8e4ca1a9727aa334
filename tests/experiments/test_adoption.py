"""A stage that another folder has with the very same key is copied from there, and trained nowhere twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from adrec_cli.experiments import adoption


@pytest.mark.parametrize("order", [["a", "m", "z"], ["z", "m", "a"]])
@pytest.mark.parametrize("holder", ["a", "z"])
def test_the_one_that_is_up_to_date_is_copied_wherever_it_lies(
    holder: str, order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in order:
        (tmp_path / name).mkdir()
        if name != "m":
            (tmp_path / name / "train.safetensors").write_text(f"weights of {name}")
            (tmp_path / name / "train.jsonl").write_text(f"log of {name}")
    held = tmp_path / holder / "train.safetensors"
    monkeypatch.setattr(adoption, "up_to_date", lambda path, key: key if path == held else None)
    adoption.adopt_stage(tmp_path / "m", [tmp_path / name for name in order], "train", "key")
    assert (tmp_path / "m/train.safetensors").read_text() == f"weights of {holder}"
    assert (tmp_path / "m/train.jsonl").read_text() == f"log of {holder}"


def test_nothing_is_copied_where_it_is_up_to_date_or_nobody_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "m"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.safetensors").write_text(name)
    for up_to_date in (lambda path, key: key, lambda path, key: None):
        monkeypatch.setattr(adoption, "up_to_date", up_to_date)
        adoption.adopt_stage(tmp_path / "m", [tmp_path / "a"], "train", "key")
        assert (tmp_path / "m/train.safetensors").read_text() == "m"
