"""A data set that is found is verified as one that is opened, and read when that is first asked for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import as_it_is_now, find_dataset, open_dataset
from tests.robustness.processes import typed_here


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


def test_a_manifest_that_counts_more_items_is_refused_where_they_are_read(folder: Path) -> None:
    manifest = read_manifest(folder)
    counted = {**manifest.statistics, "items": manifest.statistics["items"] + 1}
    write_manifest(folder, dataclasses.replace(manifest, statistics=counted))
    with pytest.raises(
        ArtifactError, match=r"manifest\.json is damaged: it says .* items, items\.parquet has"
    ) as refused:
        open_dataset(folder)
    assert refused.value.hint == f"make it again from its source: adrec preprocess SOURCE --name {folder.name} --force"


def test_items_of_which_no_event_is_left_are_items_all_the_same(tmp_path: Path) -> None:
    """They keep their numbers; the manifest does not count them."""
    workspace, line = tmp_path / "workspace", "user_id,item_id,timestamp\n"
    events = [f"u{user},i{(user + event) % 5},{1_600_000_000 + event}\n" for user in range(9) for event in range(4)]
    (tmp_path / "shop.csv").write_text(f"{line}u0,rare,1600000000\n{''.join(events)}")
    (tmp_path / "more.csv").write_text(line + "".join(f"u0,i{event},{1_700_000_000 + event}\n" for event in range(5)))
    how = ["--model", "sasrec", "--set", "model.hidden_size=8", "--epochs", "1", "--quiet", "--workspace", workspace]
    cut = ["preprocess", tmp_path / "shop.csv", "--max-length", "5", "--workspace", workspace]
    assert typed_here(cut).exit_code == typed_here(["run", "shop", *how]).exit_code == 0
    for _ in range(2):
        done = typed_here(["run", tmp_path / "more.csv", "--update", workspace / "shop", *how, "--tolerance", "1"])
        assert done.exit_code == 0, done.stderr
    found = find_dataset(workspace / "shop")
    assert (found.manifest.statistics["items"], found.item_count) == (5, 6)
    for typed in (["evaluate", "train"], ["recommend", "--user", "u0", "--model", "sasrec"], ["verify"]):
        place = [workspace] if typed == ["verify"] else ["--workspace", workspace]
        done = typed_here([*typed, *place])
        assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_number_of_items_is_held_against_those_that_are_read(folder: Path, more: int) -> None:
    found, opened = find_dataset(folder), open_dataset(folder)
    assert opened.may_have(opened.items.height + more) == (more == 0)
    assert found.may_have(opened.items.height + more) == (more >= 0)
    _ = found.sequences
    assert found.may_have(opened.items.height + more) == (more == 0)
