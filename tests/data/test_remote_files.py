"""Sources in an object store (moto's, a real server of S3) and over https: as on this machine, and nothing is left."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.data import remote_files
from adrec_cli.data.download import Expectation
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.remote_files import bring_source
from adrec_cli.data.remote_versions import ETAG
from adrec_cli.data.source_names import choose_name
from adrec_cli.data.taken_files import as_files
from adrec_cli.errors import AdrecError, GrowingFileError, InputError, UsageError
from adrec_cli.events import ignore
from adrec_cli.pipeline.preprocess import preprocess, preview
from tests.object_store import CANARY, bucket, endpoint

pytestmark = pytest.mark.usefixtures("in_shell")
__all__ = ["bucket", "endpoint"]

ROWS = "".join(f"u{user},i{(user + step) % 7},{1_600_000_000 + step}\n" for user in range(9) for step in range(6))
EVENTS = f"user,item,timestamp\n{ROWS}".encode()


def put(store: Any, path: str, content: bytes) -> None:
    with store.open_output_stream(path, compression=None) as file:
        file.write(content)


def read_all(folder: Path) -> dict[str, Any]:
    """Return what a data set holds, without what a store calls the versions of its sources."""
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}
    manifest = json.loads((folder / "manifest.json").read_text())
    sources = [{key: value for key, value in one.items() if key != ETAG} for one in manifest["sources"]]
    return {**files, **manifest, "sources": sources, "manifest_sha256": ""}


@pytest.mark.parametrize("source", ["s3://lake/shop/events.csv.gz", "s3://lake/shop/", "s3://lake/shop/e*.gz"])
def test_objects_give_the_bytes_that_files_give(source: str, bucket: Any, tmp_path: Path, scratch: Path) -> None:
    content = gzip.compress(EVENTS, mtime=0)
    for name in ("events.csv.gz", "_SUCCESS", ".hidden", "below/other.csv"):
        put(bucket, f"lake/shop/{name}", content)
    file = tmp_path / "shop" / "events.csv.gz"
    file.parent.mkdir()
    file.write_bytes(content)
    name = choose_name(source, PreprocessOptions())
    assert name == ("events" if source.endswith("csv.gz") else "shop")
    here = preprocess(str(file), workspace=tmp_path / "here", options=PreprocessOptions(name=name))
    there = preprocess(source, workspace=tmp_path / "there")
    assert there.folder.name == name
    assert read_all(there.folder) == read_all(here.folder)
    assert preprocess(source, workspace=tmp_path / "there").skipped
    assert preview(source, workspace=tmp_path / "none").sources == as_files(here.manifest.sources)
    assert not (tmp_path / "none").exists()
    assert list(scratch.iterdir()) == []
    assert not any(CANARY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_what_is_wrong_in_an_object_is_told_of_its_address(bucket: Any, tmp_path: Path) -> None:
    put(bucket, "lake/bad.csv", b"\x00\x01\x02")
    with pytest.raises(AdrecError) as raised:
        preprocess("s3://lake/bad.csv", workspace=tmp_path)
    assert "s3://lake/bad.csv" in raised.value.message
    assert tempfile.gettempdir() not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "s3://lake/none.csv",
        "s3://nobucket/none.csv",
        f"s3://AKIDcanary:{CANARY}@lake/none.csv",
        f"s3://lake/none.csv?endpoint_override=127.0.0.1:1&scheme=http&secret={CANARY}&connect_timeout=1",
        f"s3://AKID:a/{CANARY}@lake/none.csv",
        "s3://lake/*/none.csv",
        "gopher://lake/none.csv",
        f"https://user:{CANARY}@127.0.0.1:1/a.csv",
        f"https://127.0.0.1:1/a.csv?sig={CANARY}",
        "https://127.0.0.1:1/",
        "hf://datasets/a.csv",
    ],
)
@pytest.mark.usefixtures("bucket")
def test_a_wrong_address_is_one_line_without_secrets(address: str, tmp_path: Path, scratch: Path) -> None:
    with pytest.raises((InputError, UsageError)) as raised:
        preprocess(address, workspace=tmp_path / "w")
    said = f"{raised.value.message} {raised.value.hint} {raised.value.args} {raised.value.__cause__}"
    assert "canary" not in said
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("kind", ["s3", "gs", "az", "https", "hf", "HTTPS"])
@pytest.mark.parametrize("rest", ["", "/", "/a.csv", "?a.csv", "[::1/a.csv"])
def test_an_address_without_a_place_is_refused_before_anybody_is_asked(kind: str, rest: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no host or bucket can be read behind {kind}://"):
        preprocess(f"{kind}://{rest}", workspace=tmp_path / "w")


def test_the_kind_of_an_address_may_be_written_in_capitals(bucket: Any) -> None:
    put(bucket, "lake/events.csv", EVENTS)
    with bring_source("S3://lake/events.csv", offline=False, on_event=ignore) as path:
        assert Path(path).read_bytes() == EVENTS


def test_an_object_that_changes_while_it_is_read_is_noticed(bucket: Any) -> None:
    put(bucket, "lake/events.csv", EVENTS)

    def replace_it(event: object) -> None:
        put(bucket, "lake/events.csv", EVENTS.replace(b"u1", b"u2"))

    with (
        pytest.raises(GrowingFileError, match=r"events.csv changed while it was read"),
        bring_source("s3://lake/events.csv", offline=False, on_event=replace_it),
    ):
        pass


@pytest.mark.parametrize("name", ["_delta_log/0.json", "metadata/1.metadata.json", ".hoodie/a"])
def test_a_table_of_which_not_all_files_count_is_refused(name: str, bucket: Any) -> None:
    put(bucket, "lake/table/a.csv", EVENTS)
    put(bucket, f"lake/table/{name}", b"{}")
    with (
        pytest.raises(InputError, match="not all of its files count"),
        bring_source("s3://lake/table", offline=False, on_event=ignore),
    ):
        pass


def test_offline_fetches_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not on this machine"):
        preprocess("s3://lake/events.csv", workspace=tmp_path, options=PreprocessOptions(offline=True))


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("https://shop.example/a/events.csv?sig=x", "https://shop.example/a/events.csv?sig=x"),
        (
            "hf://datasets/owner/name/a/events.csv",
            "https://huggingface.co/datasets/owner/name/resolve/main/a/events.csv",
        ),
        ("hf://datasets/owner/name@v1/events.csv", "https://huggingface.co/datasets/owner/name/resolve/v1/events.csv"),
    ],
)
def test_a_page_is_read_once(address: str, asked: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[str] = []

    def serve(url: str, target: Path, *, expected: Expectation, on_event: object) -> None:
        fetched.append(url)
        target.write_bytes(EVENTS)

    monkeypatch.setattr(remote_files, "download", serve)
    done = preprocess(address, workspace=tmp_path)
    assert fetched == [asked]
    assert done.folder == tmp_path / "events"
    assert done.manifest.sources[0]["bytes"] == len(EVENTS)


def test_azure_needs_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with (
        pytest.raises(UsageError, match="names no account"),
        bring_source("az://lake/events.csv", offline=False, on_event=ignore),
    ):
        pass


def test_an_object_larger_than_the_room_is_refused(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bucket, "lake/events.csv", EVENTS)
    usage = shutil.disk_usage(os.curdir)._replace(free=len(EVENTS) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with (
        pytest.raises(AdrecError, match="are to come"),
        bring_source("s3://lake/events.csv", offline=False, on_event=ignore),
    ):
        pass
