"""What is left of generations is removed with the folder that held them, once it holds none."""

from __future__ import annotations

import shutil

import pytest

from adrec_cli.artifacts import generations
from adrec_cli.artifacts.generations import (
    GENERATIONS_FOLDER,
    generation_folders,
    generations_under_way,
    settle_generations,
)
from adrec_cli.errors import StorageError


def test_folders_whose_name_is_a_number_are_generations_and_nothing_else_is(tmp_path):
    folder = tmp_path / GENERATIONS_FOLDER
    for name in ("12", "3", "4 (copy)", "5.tmp", "6\N{SUPERSCRIPT TWO}", "old", ".7"):
        (folder / name).mkdir(parents=True)
    for name in ("8", "9.json", "README"):
        (folder / name).write_text("{}")
    assert list(generation_folders(tmp_path).items()) == [(3, folder / "3"), (12, folder / "12")]
    assert generation_folders(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("kept", [[], ["3"], ["3", "4"]])
@pytest.mark.parametrize("superfluous", [[], ["1"], ["1", "2"]])
@pytest.mark.parametrize("under_way", [0, 2])
def test_what_is_kept_stays_and_an_empty_folder_goes(tmp_path, monkeypatch, kept, superfluous, under_way):
    folder = tmp_path / GENERATIONS_FOLDER
    pattern = generations._UNDER_WAY.replace("*", "x{}", 1).replace("*", "y")
    names = [*kept, *superfluous, *(pattern.format(number) for number in range(under_way))]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "manifest.json").write_text("{}")
    assert len(generations_under_way(tmp_path)) == under_way
    places = [folder / name for name in superfluous]
    monkeypatch.setattr(generations, "superfluous_generations", lambda at: places if at == tmp_path else [])
    settle_generations(tmp_path)
    assert folder.is_dir() == bool(kept)
    assert sorted(path.name for path in folder.glob("*")) == kept
    settle_generations(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    (tmp_path / GENERATIONS_FOLDER / "1").mkdir(parents=True)
    place = tmp_path / GENERATIONS_FOLDER / "1"
    monkeypatch.setattr(generations, "superfluous_generations", lambda dataset: [place])

    def refuse(*given, **options):
        raise PermissionError("no")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    monkeypatch.setattr(generations.os, "rename", refuse, raising=False)
    with pytest.raises(StorageError, match="could not remove"):
        settle_generations(tmp_path)
