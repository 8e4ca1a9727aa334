"""A data set pushed and pulled: equal bytes, only what is missing, and nothing lost that was made here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.changing import needs_recovery
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.artifacts.manifest import read_manifest, write_manifest
from adrec_cli.data.stores import FolderStore
from adrec_cli.errors import AdrecError, ArtifactError, InputError, LockedError, StorageError, UsageError
from adrec_cli.moving.arriving import Arriving
from adrec_cli.moving.comparison import Comparison
from adrec_cli.moving.marks import moving_folder, remove_copies
from adrec_cli.pipeline.clean import clean, removable
from adrec_cli.pipeline.pull import Pulling, pull
from adrec_cli.pipeline.push import push
from adrec_cli.pipeline.verify import verify
from tests.examples import tries
from tests.moved_shops import nights, read_visible
from tests.object_store import CANARY, bucket, endpoint
from tests.tiers import sampled

__all__ = ["bucket", "endpoint", "nights"]
pytestmark = pytest.mark.usefixtures("in_shell")

FORCE = Pulling(force=True)


@pytest.fixture
def first(nights: tuple[Path, Path], tmp_path: Path) -> Path:
    """A workspace of its own after the first night."""
    return shutil.copytree(nights[0], tmp_path / "first")


@pytest.fixture
def second(nights: tuple[Path, Path], tmp_path: Path) -> Path:
    """A workspace of its own after the second night."""
    return shutil.copytree(nights[1], tmp_path / "second")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "place")


def require_equal(here: Path, there: Path) -> None:
    assert read_visible(here / "shop") == read_visible(there / "shop")


def copies_left(workspace: Path) -> list[Path]:
    return [path for path in (workspace / ".shop.moving").glob("*") if path.name not in ("marks.json", ".lock")]


def test_what_is_pulled_is_what_was_pushed(second: Path, tmp_path: Path, place: str) -> None:
    sent = push("shop", place, workspace=second)
    assert {one.path for one in sent.moved} == set(read_visible(second / "shop"))
    came = pull(place, workspace=tmp_path / "here")
    assert came.bytes == sent.bytes > 0
    require_equal(second, tmp_path / "here")
    assert not verify(tmp_path / "here").damaged
    assert not copies_left(second)
    assert not copies_left(tmp_path / "here")
    again = push("shop", place, workspace=second)
    assert (again.moved, again.bytes) == ([], 0)
    again = pull(place, workspace=tmp_path / "here")
    assert (again.moved, again.bytes) == ([], 0)


def test_the_next_night_is_pulled_over_the_last(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    pull(place, "shop", workspace=tmp_path / "here")
    shutil.copytree(first / ".shop.moving", second / ".shop.moving")
    sent = push("shop", place, workspace=second)
    assert 0 < sent.bytes < sum(len(content) for content in read_visible(second / "shop").values())
    pull(place, "shop", workspace=tmp_path / "here")
    require_equal(second, tmp_path / "here")
    assert not verify(tmp_path / "here").damaged
    assert {one.reason for one in removable(tmp_path / "here")} <= {"the state of a stage that is finished"}


PART = 2000
NAMES = st.sampled_from(
    ["reports/a.svg", "reports/b.html", "adrec/x.jsonl", "sweeps/s/best.toml", "sweeps/s/stages/k/measured-a.json",
     "gru4rec/seed-3/train.safetensors", "generations/000009/manifest.json",
     "adrec/promoted/0123456789abcdef.items.index"]
)  # fmt: skip
CONTENTS = st.integers(0, 3 * PART + 1).map(lambda size: (bytes(range(251)) * size)[:size])
CHANGES = st.dictionaries(NAMES, CONTENTS)


@settings(max_examples=tries(4))
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_any_history_of_a_data_set_arrives(
    nights: tuple[Path, Path], tmp_path_factory: Any, history: list[Any]
) -> None:
    """In small parts, so that files of several are among them; what is there is the last state, each time."""
    folder = tmp_path_factory.mktemp("history")
    workspace, here = shutil.copytree(nights[0], folder / "there"), folder / "here"
    with pytest.MonkeyPatch.context() as patch:
        for module in ("inventory", "snapshot"):
            patch.setattr(f"adrec_cli.moving.{module}.PART_BYTES", PART)
        patch.setattr("adrec_cli.pipeline.push.PART_BYTES", PART)
        for changes in history:
            for name, content in changes.items():
                (workspace / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
                (workspace / "shop" / name).write_bytes(content)
            push("shop", str(folder / "place"), workspace=workspace)
            pull(str(folder / "place"), workspace=here)
            require_equal(workspace, here)
    shutil.rmtree(folder)


def test_a_preview_changes_nothing(first: Path, tmp_path: Path, place: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    told = push("shop", place, workspace=first, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert (told.dry_run, told.bytes) == (True, push("shop", place, workspace=first).bytes)
    told = pull(place, workspace=tmp_path / "here", pulling=Pulling(dry_run=True))
    assert not (tmp_path / "here").exists()
    assert len(told.moved) == told.files == len(read_visible(first / "shop"))


def test_what_was_made_here_is_not_overwritten(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    log = here / "shop/adrec/finetune.jsonl"
    log.write_text(log.read_text() + "\n")
    push("shop", place, workspace=second, force=True)
    before = read_visible(here / "shop")
    with pytest.raises(
        ArtifactError, match=r"shop has changed here since it was last .*: adrec/finetune.jsonl$"
    ) as told:
        pull(place, workspace=here)
    assert "--force" in told.value.hint
    assert read_visible(here / "shop") == before
    assert pull(place, workspace=here, pulling=Pulling(dry_run=True)).overwritten == ["adrec/finetune.jsonl"]
    assert pull(place, workspace=here, pulling=FORCE).overwritten == ["adrec/finetune.jsonl"]
    require_equal(second, here)


def test_a_data_set_of_the_same_name_that_was_never_pulled_is_not_overwritten(
    first: Path, second: Path, place: str
) -> None:
    push("shop", place, workspace=first)
    before = read_visible(second / "shop")
    with pytest.raises(ArtifactError, match=r"changed here .* and \d+ more$"):
        pull(place, workspace=second)
    assert read_visible(second / "shop") == before


def test_what_others_pushed_is_not_overwritten(first: Path, second: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    pull(place, workspace=tmp_path / "here")
    with pytest.raises(ArtifactError, match="was pushed from elsewhere since"):
        push("shop", place, workspace=second)
    push("shop", place, workspace=second, force=True)
    (tmp_path / "here/shop/reports/mine.svg").write_text("<svg/>")
    with pytest.raises(ArtifactError, match="was pushed from elsewhere since"):
        push("shop", place, workspace=tmp_path / "here")
    pull(place, workspace=tmp_path / "here")
    assert [one.path for one in push("shop", place, workspace=tmp_path / "here").moved] == ["reports/mine.svg"]


def test_what_is_here_and_not_there_stays(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    extra = tmp_path / "here/shop/sasrec/train.safetensors"
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"mine")
    pull(place, workspace=tmp_path / "here")
    assert extra.read_bytes() == b"mine"


def test_what_adrec_does_not_write_is_left_out_and_listed(first: Path, tmp_path: Path, place: str) -> None:
    (first / "shop/notes.txt").write_text("mine")
    assert push("shop", place, workspace=first).others == ["notes.txt"]
    pull(place, workspace=tmp_path / "here")
    assert not (tmp_path / "here/shop/notes.txt").exists()


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


@pytest.mark.parametrize("inside", ["", "adrec"])
def test_a_run_under_way_is_waited_for_or_left_alone(inside: str, first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    (here / "shop/adrec/current.json").unlink()
    before = read_visible(here / "shop")
    with exclusive(here / "shop" / inside, "train"), pytest.raises(LockedError):
        pull(place, workspace=here)
    assert read_visible(here / "shop") == before
    with exclusive(first / "shop" / inside, "train"), pytest.raises(LockedError):
        push("shop", place, workspace=first)
    pull(place, workspace=here)
    require_equal(first, here)


def test_several_data_sets_share_a_place(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    shutil.copytree(first / "shop", first / "market")
    assert push("market", place, workspace=first).bytes == 0
    with pytest.raises(UsageError, match="holds several data sets: market, shop"):
        pull(place, workspace=tmp_path / "here")
    pull(place, "market", workspace=tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").glob("[!.]*")] == ["market"]


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("none", InputError, "there is no none at .*; available: shop"),
        ("../shop", UsageError, "cannot name a data set"),
        ("", UsageError, "cannot name a data set"),
    ],
)
def test_a_name_that_is_not_there(
    name: str, kind: type[AdrecError], reason: str, first: Path, tmp_path: Path, place: str
) -> None:
    push("shop", place, workspace=first)
    with pytest.raises(kind, match=reason):
        pull(place, name, workspace=tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("address", ["https://shop.example/a", "hf://datasets/a/b", "s3://", "gopher://lake"])
def test_an_address_that_cannot_be_moved_to(address: str, first: Path) -> None:
    with pytest.raises(UsageError):
        push("shop", address, workspace=first)
    with pytest.raises(UsageError):
        pull(address, workspace=first)


def forget(workspace: Path, *users: str) -> None:
    from adrec_cli.pipeline.forget import forget

    forget("shop", set(users), workspace=workspace)


def test_who_was_forgotten_here_is_not_brought_back(first: Path, tmp_path: Path, place: str) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    forget(here, "u1")
    before = read_visible(here / "shop")
    for pulling in (Pulling(), FORCE):
        with pytest.raises(ArtifactError):
            pull(place, workspace=here, pulling=pulling)
        assert read_visible(here / "shop") == before
    push("shop", place, workspace=here)
    pull(place, workspace=first)
    require_equal(here, first)
    forget(first, "u2")
    push("shop", place, workspace=first)
    pull(place, workspace=here)


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
        # One write more each time, and none of them again.
        now = push("shop", place, workspace=second, force=True, dry_run=True).bytes
        assert left is None or now < left or now == 0
        left, nth = now, 1
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


def test_an_object_store_gives_the_same(bucket: Any, first: Path, second: Path, tmp_path: Path) -> None:
    address, here = "s3://lake/models", tmp_path / "here"
    sent = push("shop", address, workspace=first)
    assert sent.place == address
    pull(address, workspace=here)
    require_equal(first, here)
    push("shop", address, workspace=second, force=True)
    pull(address, "shop", workspace=here)
    require_equal(second, here)
    assert push("shop", address, workspace=here).bytes == 0
    with pytest.raises(InputError, match="there is no other at s3://lake/models; available: shop"):
        pull(address, "other", workspace=here)
    assert not any(CANARY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("address", [
    "s3://nobucket/x", f"s3://AKID:{CANARY}@nobucket/x", f"s3://AKID:a/{CANARY}@lake/x",
    f"s3://lake/x?endpoint_override=127.0.0.1:1&scheme=http&secret_key={CANARY}&connect_timeout=1",
])  # fmt: skip
@pytest.mark.usefixtures("bucket")
def test_what_a_store_refuses_is_one_line_without_secrets(address: str, first: Path, tmp_path: Path) -> None:
    with pytest.raises((InputError, StorageError, UsageError)) as pushed:
        push("shop", address, workspace=first)
    with pytest.raises((InputError, UsageError)) as pulled:
        pull(address, workspace=tmp_path / "here")
    for told in (pushed, pulled):
        assert "canary" not in f"{told.value.message} {told.value.hint} {told.value.args} {told.value.__cause__}"
    assert not any(CANARY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_what_changes_here_while_files_come_is_not_overwritten(
    first: Path, second: Path, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push("shop", place, workspace=first)
    here = tmp_path / "here"
    pull(place, workspace=here)
    push("shop", place, workspace=second, force=True)
    bring = Arriving.bring

    def change_after(self: Arriving, comparison: Comparison) -> int:
        came = bring(self, comparison)
        (here / "shop/adrec/finetune.jsonl").write_text("{}\n")
        return came

    with monkeypatch.context() as patch:
        patch.setattr(Arriving, "bring", change_after)
        with pytest.raises(ArtifactError, match=r"changed here since .*: adrec/finetune.jsonl$"):
            pull(place, workspace=here)
    assert (here / "shop/adrec/finetune.jsonl").read_text() == "{}\n"
    # What has not come cannot be put, force or not.
    push("shop", place, workspace=first, force=True)
    pull(place, workspace=here, pulling=FORCE)

    def lose_after(self: Arriving, comparison: Comparison) -> int:
        came = bring(self, comparison)
        (here / "shop/reports/mostpop-loo-full-test.json").write_text("{}")
        return came

    (here / "shop/adrec/finetune.jsonl").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Arriving, "bring", lose_after)
        with pytest.raises(ArtifactError, match="changed while the files came"):
            pull(place, workspace=here, pulling=FORCE)
    pull(place, workspace=here, pulling=FORCE)
    require_equal(first, here)


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
