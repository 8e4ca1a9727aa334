"""A push or a pull that ends anywhere leaves the old or the new, and goes on from what it has."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from adrec_cli.artifacts.changing import needs_recovery
from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.data.stores import FolderStore
from adrec_cli.errors import InputError, StorageError
from adrec_cli.moving.marks import moving_folder
from adrec_cli.pipeline.clean import clean, removable
from adrec_cli.pipeline.pull import pull
from adrec_cli.pipeline.push import push
from tests.moving.conftest import forget, require_equal

pytestmark = pytest.mark.usefixtures("in_shell")


def test_what_a_killed_push_left_is_cleaned_and_forgotten(first: Path, place: str) -> None:
    for remove in (
        lambda: clean(removable(first)),
        lambda: forget(first, "u1"),
        lambda: push("shop", place, workspace=first),
    ):
        left = moving_folder(first / "shop") / "copies/0"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("u1")
        assert any(one.path == left.parent for one in removable(first))
        remove()
        assert not left.parent.exists()


class StoppingError(Exception):
    """A push that ends in the middle."""


def stop_before_write(patch: pytest.MonkeyPatch, nth: int) -> None:
    write, made = FolderStore.write, 0

    def counted(self: FolderStore, path: str, content: bytes) -> None:
        nonlocal made
        made += 1
        if made > nth:
            raise StoppingError
        write(self, path, content)

    patch.setattr(FolderStore, "write", counted)


def test_a_push_that_ends_anywhere_leaves_what_was_there(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    nth, left = 0, None
    while True:
        with pytest.MonkeyPatch.context() as patch:
            stop_before_write(patch, nth)
            try:
                push("shop", place, workspace=second, force=True)
                break
            except StoppingError:
                pass
        pull(place, workspace=tmp_path / "here")
        require_equal(first, tmp_path / "here")
        # Two writes more each time, as the last two belong together, and no content again.
        now = push("shop", place, workspace=second, force=True, dry_run=True).bytes
        assert left is None or now < left or now == 0
        left, nth = now, 2
    assert left == 0
    pull(place, workspace=tmp_path / "here")
    require_equal(second, tmp_path / "here")


def test_a_pull_that_ends_goes_on_from_the_parts_it_has(first: Path, tmp_path: Path, place: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("moving.inventory", "moving.snapshot", "pipeline.push"):
            patch.setattr(f"adrec_cli.{module}.PART_BYTES", 1000)
        push("shop", place, workspace=first)
        read, reads = FolderStore.read, []

        def counted(self: FolderStore, path: str, most: int) -> bytes:
            if path.startswith("objects"):
                reads.append(path)
                if len(reads) % 7 == 0:
                    raise StoppingError
            return read(self, path, most)

        patch.setattr(FolderStore, "read", counted)
        ended = 0
        while True:
            try:
                pull(place, workspace=tmp_path / "here")
                break
            except StoppingError:
                ended += 1
                assert not (tmp_path / "here/shop").exists()
    assert ended > 3
    assert len(reads) == len(set(reads)) + ended
    require_equal(first, tmp_path / "here")


def test_all_that_comes_outlives_a_power_cut(
    first: Path, second: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push("shop", place, workspace=first)
    pull(place, workspace=tmp_path / "here")
    push("shop", place, workspace=second, force=True)
    before = {path.stat().st_ino for path in (tmp_path / "here/shop").rglob("*")}
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    pull(place, workspace=tmp_path / "here")
    came = [path for path in (tmp_path / "here/shop").rglob("*") if path.is_file() and path.name[0] != "."]
    new = [path for path in came if path.stat().st_ino not in before]
    assert len(new) > 10
    assert not [path for path in new if path.stat().st_ino not in synced]


@pytest.mark.parametrize("where", ["file", "/proc/none"])
def test_a_place_that_cannot_be_written_is_one_line(where: str, first: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = str(tmp_path / where)
    with pytest.raises(StorageError, match=f"could not write {place}/objects/") as told:
        push("shop", place, workspace=first)
    assert told.value.hint == "check the path and the disk"
    with pytest.raises(InputError, match=f"there is no data set at {place}; available: none"):
        pull(place, workspace=tmp_path / "here")


def test_a_new_manifest_of_the_same_files_leaves_nothing_to_recover(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    write_manifest(first / "shop", dataclasses.replace(read_manifest(first / "shop"), keep_data=1))
    push("shop", place, workspace=first)
    assert [one.path for one in pull(place, workspace=here).moved] == ["manifest.json"]
    require_equal(first, here)
    assert not needs_recovery(here / "shop")
