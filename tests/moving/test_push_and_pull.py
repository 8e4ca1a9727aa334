"""A data set pushed and pulled: equal bytes, and only what is missing."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.errors import AdrecError, InputError, StorageError, UsageError
from adrec_cli.moving.moved import MovingProgress
from adrec_cli.pipeline.clean import removable
from adrec_cli.pipeline.pull import Pulling, pull
from adrec_cli.pipeline.push import push
from adrec_cli.pipeline.verify import verify
from tests.examples import tries
from tests.moved_shops import read_visible
from tests.moving.conftest import copies_left, require_equal
from tests.object_store import CANARY, bucket, endpoint
from tests.robustness.processes import typed_here

__all__ = ["bucket", "endpoint"]
pytestmark = pytest.mark.usefixtures("in_shell")


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


def test_what_adrec_does_not_write_is_left_out_and_listed(first: Path, tmp_path: Path, place: str) -> None:
    (first / "shop/notes.txt").write_text("mine")
    assert push("shop", place, workspace=first).others == ["notes.txt"]
    pull(place, workspace=tmp_path / "here")
    assert not (tmp_path / "here/shop/notes.txt").exists()


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


def test_how_far_it_is_is_told_byte_by_byte_to_the_end(first: Path, tmp_path: Path, place: str) -> None:
    pushed: list[MovingProgress] = []
    pulled: list[MovingProgress] = []

    def note(events: list[MovingProgress], event: object) -> None:
        if isinstance(event, MovingProgress):
            events.append(event)

    done = push("shop", place, workspace=first, on_event=functools.partial(note, pushed))
    pull(place, workspace=tmp_path / "here", pulling=Pulling(on_event=functools.partial(note, pulled)))
    for events in (pushed, pulled):
        assert len(events) > 3
        assert [one.done for one in events] == sorted(one.done for one in events)
        assert {one.total for one in events} == {events[-1].done}
    assert pushed[-1].done <= done.bytes


def test_what_lies_behind_links_is_pushed_and_a_link_to_nothing_stops_it(
    first: Path, tmp_path: Path, place: str
) -> None:
    """Models and former data on another disk are of the data set: nobody is served a part of it."""
    before = read_visible(first / "shop")
    for name in ("sasrec", "generations", "reports"):
        if (first / "shop" / name).is_dir():
            (first / "shop" / name).rename(tmp_path / name)
            (first / "shop" / name).symlink_to(tmp_path / name)
    assert not push("shop", place, workspace=first).others
    pull(place, workspace=tmp_path / "here")
    assert read_visible(tmp_path / "here/shop") == before
    (tmp_path / "reports").rename(tmp_path / "unmounted")
    for more in ([], ["--dry-run"]):
        done = typed_here(["push", "shop", place, "--workspace", first, *more])
        assert "reports, which is not there" in done.require_one_error(4)
    pull(place, workspace=tmp_path / "there")
    assert read_visible(tmp_path / "there/shop") == before
