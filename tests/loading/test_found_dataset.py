"""A data set that is found is verified as one that is opened, and read when that is first asked for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import as_it_is_now, find_dataset, open_dataset


@pytest.fixture
def folder(tiny_source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_source / "tiny", tmp_path / "tiny"))


def test_what_is_found_is_what_is_opened(folder: Path) -> None:
    found, opened = find_dataset(folder), open_dataset(folder)
    assert found.manifest == opened.manifest
    assert found.item_count == opened.items.height
    assert found.items.equals(opened.items)
    assert found.sequences.items.tolist() == opened.sequences.items.tolist()
    assert found.sequences is found.sequences
    assert found.items is found.items, "it is read once"


@pytest.mark.parametrize("name", ["sequences.parquet", "items.parquet", "manifest.json"])
def test_damage_is_noticed_before_anything_is_read(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for position in range(0, len(whole), len(whole) // 20):
        (folder / name).write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(ArtifactError, match=name):
            find_dataset(folder)
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        find_dataset(folder)


def test_data_that_changed_before_they_were_read_are_refused(folder: Path) -> None:
    found = find_dataset(folder)
    write_manifest(folder, dataclasses.replace(found.manifest, generation=2))
    with pytest.raises(ArtifactError, match="has changed since it was opened"):
        _ = found.items
    assert as_it_is_now(found).sequences.users == found.manifest.statistics["users"]


def test_data_that_were_read_stay_whatever_becomes_of_the_files(folder: Path) -> None:
    found = find_dataset(folder)
    users = found.sequences.users
    shutil.rmtree(folder)
    assert found.items.height == found.item_count
    assert found.sequences.users == users


def test_a_manifest_that_counts_other_items_is_refused_where_they_are_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    counted = {**manifest.statistics, "items": manifest.statistics["items"] + 1}
    write_manifest(folder, dataclasses.replace(manifest, statistics=counted))
    with pytest.raises(ArtifactError, match=r"items\.parquet is damaged: it has .* items, its manifest says"):
        open_dataset(folder)
