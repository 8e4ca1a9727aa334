"""Objects that are damaged, cut or gone, and inventories that lie, are noticed before anything changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.data.stores import FolderStore
from adrec_cli.errors import ArtifactError, InputError
from adrec_cli.moving.marks import remove_copies
from adrec_cli.pipeline.pull import pull
from adrec_cli.pipeline.push import push
from tests.moved_shops import read_visible
from tests.moving.conftest import require_equal
from tests.tiers import sampled

pytestmark = pytest.mark.usefixtures("in_shell")


def objects_of(place: str) -> list[Path]:
    return sorted(path for path in Path(place, "objects").rglob("*") if path.is_file())


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    if how == "flipped":
        content[len(content) // 2] ^= 1
    if how == "cut":
        del content[-1:]
    if how == "longer":
        content += b"x"
    if how == "pipe":
        os.mkfifo(path)
    elif how == "link":
        path.symlink_to("/dev/zero")
    elif how != "gone":
        path.write_bytes(content)


@sampled("how", ["flipped", "cut", "longer", "gone", "pipe", "link"], quick=["flipped", "gone"])
def test_a_damaged_object_is_noticed_before_anything_changes(
    how: str, first: Path, second: Path, tmp_path: Path, place: str
) -> None:
    push("shop", place, workspace=first)
    pull(place, workspace=tmp_path / "here")
    old = objects_of(place)
    push("shop", place, workspace=second, force=True)
    before = read_visible(tmp_path / "here/shop")
    new = [path for path in objects_of(place) if path not in old]
    assert len(new) > 5
    for path in new[:: len(new) // 4]:
        # What came in the last round is not asked for again.
        remove_copies(tmp_path / "here/shop")
        kept = path.read_bytes()
        damage(path, how)
        with pytest.raises(InputError) as told:
            pull(place, workspace=tmp_path / "here")
        assert path.name in told.value.message
        assert told.value.hint.endswith("push again from where the data set is whole")
        assert read_visible(tmp_path / "here/shop") == before
        path.unlink(missing_ok=True)
        path.write_bytes(kept)
    pull(place, workspace=tmp_path / "here")
    require_equal(second, tmp_path / "here")


def test_an_object_that_is_not_whole_is_sent_again(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    for how, path in zip(("cut", "gone", "longer"), objects_of(place), strict=False):
        damage(path, how)
    assert push("shop", place, workspace=first).bytes > 0
    pull(place, workspace=tmp_path / "here")
    require_equal(first, tmp_path / "here")


def change_inventory(place: str, change: dict[str, Any], *, path: str) -> None:
    """Change what the inventory tells of a file, and sign it."""
    from tests.moving.test_inventory import sign

    inventory = Path(place, "datasets/shop.json")
    told = json.loads(inventory.read_text())
    for one in told["files"]:
        if one["path"] == path:
            one |= change
    inventory.write_bytes(sign(told))


def test_an_inventory_whose_manifest_describes_other_files_is_refused(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    told = {one["path"]: one for one in json.loads(Path(place, "datasets/shop.json").read_text())["files"]}
    other = {key: value for key, value in told["items.parquet"].items() if key != "path"}
    change_inventory(place, other, path="sequences.parquet")
    with pytest.raises(InputError, match=r"sequences.parquet at .* is not the one that the manifest of shop describes"):
        pull(place, workspace=tmp_path / "here")
    assert not (tmp_path / "here/shop").exists()
    change_inventory(
        place, {key: value for key, value in told["items.parquet"].items() if key != "path"}, path="manifest.json"
    )
    with pytest.raises(InputError, match="has no manifest that adrec could have written"):
        pull(place, workspace=tmp_path / "here")


def test_parts_that_are_not_of_the_whole_are_refused(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    change_inventory(place, {"sha256": "0" * 64}, path="adrec/finetune.jsonl")
    with pytest.raises(InputError, match=r"the parts of adrec/finetune.jsonl at .* are not those of the whole"):
        pull(place, workspace=tmp_path / "here")


def test_a_damaged_inventory_is_replaced_only_by_force(first: Path, place: str, tmp_path: Path) -> None:
    push("shop", place, workspace=first)
    Path(place, "datasets/shop.json").write_text("{")
    with pytest.raises(InputError, match="is damaged or was not written by adrec") as told:
        push("shop", place, workspace=first)
    assert told.value.hint == "replace it with --force"
    push("shop", place, workspace=first, force=True)
    pull(place, workspace=tmp_path / "here")
    require_equal(first, tmp_path / "here")


def test_a_place_that_cannot_be_read_is_nothing_that_force_replaces(first: Path, place: str, monkeypatch) -> None:
    push("shop", place, workspace=first)

    def read(self: FolderStore, path: str, most: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(FolderStore, "read", read)
    with pytest.raises(InputError, match=r"could not read .*Input/output error") as told:
        push("shop", place, workspace=first, force=True)
    assert told.value.hint == "check the path and the disk"


def test_a_damaged_data_set_is_not_pushed(first: Path, place: str) -> None:
    damage(first / "shop/items.parquet", "flipped")
    with pytest.raises(ArtifactError, match=r"items.parquet is damaged"):
        push("shop", place, workspace=first)
    assert not Path(place).exists()
