"""Batches into an object store: the files that a folder here gets, and a marker once all of them are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.data.remote_files import bring_source
from adrec_cli.data.shards import Shard
from adrec_cli.data.stores import ObjectStore
from adrec_cli.errors import AdrecError, InputError, StorageError, UsageError
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.pipeline.recommend_batch import BatchSummary, recommend_batch
from adrec_cli.recommending.batch_options import AudienceOptions, BatchOutput
from adrec_cli.recommending.options import RecommendOptions
from tests.data.test_remote_files import put
from tests.object_store import CANARY, bucket, endpoint

__all__ = ["bucket", "endpoint"]
pytestmark = pytest.mark.usefixtures("in_shell")

EVERYBODY = AudienceOptions(all_users=True)
OPTIONS = RecommendOptions(k=3, sampling=FAST_SAMPLING)


@pytest.fixture(scope="module")
def shop(grouped_shop: Path) -> Path:
    return grouped_shop


def recommend(shop: Path, out: str, audience: AudienceOptions = EVERYBODY, **more: Any) -> BatchSummary:
    return recommend_batch(audience, output=BatchOutput(path=Path(out), **more), workspace=shop, options=OPTIONS)


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    from pyarrow import fs

    found = store.get_file_info(fs.FileSelector(prefix, recursive=True, allow_not_found=True))
    paths = [one.path for one in found if one.type == fs.FileType.File and not one.path.endswith("/")]
    return {path.removeprefix(f"{prefix}/"): store.open_input_stream(path, compression=None).read() for path in paths}


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_of_files_and_a_marker_behind_them(bucket: Any, shop: Path, tmp_path: Path) -> None:
    before = sorted(shop.iterdir())
    recommend(shop, str(tmp_path / "recs"))
    for _ in range(2):
        summary = recommend(shop, "s3://lake/out/recs/")
        assert (summary.path, summary.files, summary.rows) == ("s3://lake/out/recs", 5, 360)
        found = objects(bucket, "lake/out/recs")
        assert json.loads(found.pop("_SUCCESS")) == {"files": sorted(found), "rows": 360}
        assert found == read_all(tmp_path / "recs")
    assert sorted(shop.iterdir()) == before
    with bring_source("s3://lake/out/recs", offline=False, on_event=lambda event: None) as here:
        assert read_all(Path(here)) == found


def test_one_object_and_the_list_of_who_is_unknown(bucket: Any, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "who.txt").write_text("u1\nnobody\n")
    some = AudienceOptions(users=tmp_path / "who.txt")
    recommend(shop, str(tmp_path / "recs.csv"), some)
    summary = recommend(shop, "s3://lake/recs.csv", some)
    assert (summary.path, summary.unknown_path) == ("s3://lake/recs.csv", "s3://lake/recs.unknown.jsonl")
    assert objects(bucket, "lake") == {
        name: (tmp_path / name).read_bytes() for name in ("recs.csv", "recs.unknown.jsonl")
    }
    (tmp_path / "who.txt").write_text("u1\n")
    assert recommend(shop, "s3://lake/recs.csv", some).unknown_path is None
    assert list(objects(bucket, "lake")) == ["recs.csv"]
    assert not list(shop.glob("recs*"))


def test_shards_each_have_their_marker_and_remove_what_was_theirs(bucket: Any, shop: Path) -> None:
    put(bucket, "lake/recs/part-000007.parquet", b"of a former batch")
    for number in range(2):
        recommend(shop, "s3://lake/recs", shard=Shard(number, 2))
        assert ("part-000007.parquet" in objects(bucket, "lake/recs")) == (number == 0)
    markers = {name: json.loads(content) for name, content in objects(bucket, "lake/recs").items() if name[0] == "_"}
    assert set(markers) == {"_SUCCESS-0-of-2", "_SUCCESS-1-of-2"}
    assert markers["_SUCCESS-1-of-2"]["files"] == ["part-000001.parquet", "part-000003.parquet"]


@pytest.mark.parametrize(
    ("before", "now", "stay"),
    [
        ("0/1", "1/2", []), ("0/2", "0/1", []), ("0/2", "1/2", ["0/2"]), ("1/3", "1/2", []), ("1/2", "1/2", []),
    ],
)  # fmt: skip
def test_a_marker_vouches_for_no_file_that_another_batch_changes(
    before: str, now: str, stay: list[str], bucket: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a marker must not read files of two batches, however these were shared."""
    recommend(shop, "s3://lake/recs", shard=Shard.parse(before))
    write, seen = ObjectStore.write, []

    def look(self: ObjectStore, path: str, content: bytes) -> None:
        seen.append(sorted(name for name in objects(bucket, "lake/recs") if name[0] == "_"))
        write(self, path, content)

    monkeypatch.setattr(ObjectStore, "write", look)
    recommend(shop, "s3://lake/recs", shard=Shard.parse(now))
    kept = [f"_SUCCESS-{one.replace('/', '-of-')}" for one in stay]
    assert seen
    assert all(names == kept for names in seen), seen
    own = "_SUCCESS" if now == "0/1" else f"_SUCCESS-{now.replace('/', '-of-')}"
    assert sorted(name for name in objects(bucket, "lake/recs") if name[0] == "_") == sorted([*kept, own])


def test_shares_that_begin_at_once_both_remove_the_marker(
    bucket: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommend(shop, "s3://lake/recs")
    remove = ObjectStore.remove

    def remove_second(self: ObjectStore, path: str) -> None:
        if path.endswith("_SUCCESS"):
            bucket.delete_file("lake/recs/_SUCCESS")
        remove(self, path)

    monkeypatch.setattr(ObjectStore, "remove", remove_second)
    recommend(shop, "s3://lake/recs", shard=Shard(0, 2))
    assert [name for name in objects(bucket, "lake/recs") if name[0] == "_"] == ["_SUCCESS-0-of-2"]


def test_a_share_that_ends_first_takes_nothing_from_another(
    bucket: Any, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are made in one workspace, at the same time."""
    before = sorted(shop.iterdir())
    recommend(shop, str(tmp_path / "recs"))
    write, others = ObjectStore.write, [Shard(1, 2)]

    def let_the_other_pass(self: ObjectStore, path: str, content: bytes) -> None:
        while others:
            recommend(shop, "s3://lake/recs", shard=others.pop())
        write(self, path, content)

    monkeypatch.setattr(ObjectStore, "write", let_the_other_pass)
    recommend(shop, "s3://lake/recs", shard=Shard(0, 2))
    found = objects(bucket, "lake/recs")
    assert [name for name in sorted(found) if name[0] == "_"] == ["_SUCCESS-0-of-2", "_SUCCESS-1-of-2"]
    assert {name: content for name, content in found.items() if name[0] != "_"} == read_all(tmp_path / "recs")
    assert sorted(shop.iterdir()) == before


def test_a_share_of_nobody_has_its_marker_too(bucket: Any, shop: Path) -> None:
    """Whoever waits for the markers of all shares need not know how many of them have users."""
    before = sorted(shop.iterdir())
    put(bucket, "lake/recs/part-000007.parquet", b"of a former batch")
    summary = recommend(shop, "s3://lake/recs", shard=Shard(7, 8))
    assert (summary.files, summary.rows, summary.users) == (0, 0, 0)
    assert objects(bucket, "lake/recs") == {"_SUCCESS-7-of-8": b'{"files": [], "rows": 0}'}
    assert sorted(shop.iterdir()) == before


def test_what_is_no_batch_is_left_alone(bucket: Any, shop: Path) -> None:
    put(bucket, "lake/recs/events.csv", b"mine")
    with pytest.raises(UsageError, match=r"s3://lake/recs holds events.csv, which is not part of a batch"):
        recommend(shop, "s3://lake/recs")
    assert list(objects(bucket, "lake")) == ["recs/events.csv"]


@pytest.mark.parametrize("nth", range(1, 6))
def test_without_all_files_there_is_no_marker_and_the_next_try_ranks_nobody_again(
    nth: int, bucket: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommend(shop, "s3://lake/recs")
    write, made = ObjectStore.write, []

    def refuse(self: ObjectStore, path: str, content: bytes) -> None:
        made.append(path)
        if len(made) == nth:
            raise OSError(f"no more for AKID and {CANARY}")
        write(self, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", refuse)
        with pytest.raises(StorageError, match=r"could not write s3://lake/recs: no more") as raised:
            recommend(shop, "s3://lake/recs")
    assert CANARY not in raised.value.message
    assert "_SUCCESS" not in objects(bucket, "lake/recs")
    assert recommend(shop, "s3://lake/recs").resumed == 120
    assert "_SUCCESS" in objects(bucket, "lake/recs")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("s3://lake", UsageError), ("https://shop.example/recs", UsageError), ("s3://nobucket/recs", AdrecError),
        (f"s3://AKID:{CANARY}@nobucket/recs", AdrecError), ("gopher://lake/recs", UsageError),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("bucket")
def test_an_address_that_cannot_be_written_to_is_refused(address: str, kind: type[AdrecError], shop: Path) -> None:
    before = sorted(shop.iterdir())
    with pytest.raises(kind) as raised:
        recommend(shop, address)
    assert isinstance(raised.value, (UsageError, InputError, StorageError))
    assert "canary" not in f"{raised.value.message} {raised.value.hint} {raised.value.__cause__}"
    # What was ranked before the bucket turned out not to be there waits for the next try.
    left = {path.name for path in sorted(shop.iterdir()) if path not in before}
    assert all("recs" in name for name in left)
