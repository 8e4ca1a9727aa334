"""Pinned downloads: from several addresses, whole or not at all, kept once for all workspaces, and said first."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data import download as downloading
from adrec_cli.data.datasets import DatasetSpec, SourceFiles
from adrec_cli.data.download import Expectation, download
from adrec_cli.data.fetching import AddressFailed, DamagedCopy, DownloadBegins, Fetching, UnknownDownload
from adrec_cli.data.pins import Download, Pin
from adrec_cli.data.raw_files import FoundFiles, Places, find_source
from adrec_cli.errors import AdrecError, InputError, UsageError
from tests.data.publishing import Publisher, publisher, serving

pytestmark = pytest.mark.usefixtures("in_shell")

__all__ = ["publisher"]

FIRST, SECOND = "https://first.example/a.csv", "https://second.example/a.csv"
CONTENT = b"user_id,item_id\n" + b"".join(b"u%d,i%d\n" % (n, n % 7) for n in range(3000))
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
PIN = Pin(sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))


def spec(*urls: str, **pin: object) -> DatasetSpec:
    pinned = Download(urls=urls or (FIRST,), **(pin or {"sha256": PIN.sha256}))  # type: ignore[arg-type]
    form = SourceFiles(files=("a.csv",), downloads=(pinned,))
    return DatasetSpec(name="shop", title="t", licence="MIT", citation="c", sources=(form,))


class Events(list[object]):
    """Keeps what it is called with."""

    def of(self, kind: type) -> list[object]:
        return [event for event in self if isinstance(event, kind)]


def find(shop: DatasetSpec, cache: Path, events: Events | None = None, **fetching: object) -> FoundFiles:
    told = Events() if events is None else events
    places = Places(cache=cache, former=cache / "former")
    return find_source(shop, places=places, fetching=Fetching(**fetching), on_event=told.append)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_a_pin_fits_its_content_and_no_other(content: bytes, with_sha256: bool, with_size: bool) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    pin = Pin(
        sha256=hashlib.sha256(content).hexdigest() if with_sha256 else "",
        git_blob="" if with_sha256 else blob,
        bytes=len(content) if with_size else None,
    )
    assert pin.known
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(content)
        assert pin.fault(path) == ""
        for other in (content + b"x", content[:-1] if content else b"y", bytes(len(content) + 1)):
            path.write_bytes(other)
            assert "expected" in pin.fault(path)


def test_the_blob_id_is_gits(tmp_path: Path) -> None:
    # git hash-object of a file with "hello\n".
    (tmp_path / "f").write_bytes(b"hello\n")
    assert Pin(git_blob="ce013625030ba8dba906f756967f9e9ca394464a").fault(tmp_path / "f") == ""


def test_the_next_address_is_tried(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[SECOND] = CONTENT
    events = Events()
    assert find(spec(FIRST, SECOND), tmp_path, events).paths[0].read_bytes() == CONTENT
    assert FIRST in events.of(AddressFailed)[0].reason  # type: ignore[attr-defined]
    assert publisher.asked == [(FIRST, None), (SECOND, None)]


def test_what_one_address_began_another_goes_on_with(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files |= {FIRST: CONTENT, SECOND: CONTENT}
    publisher.faults[FIRST] = "cut"
    assert find(spec(FIRST, SECOND), tmp_path).paths[0].read_bytes() == CONTENT
    assert publisher.requests_of(SECOND) == [f"bytes={len(CONTENT) // 2}-"]


BROKEN = {
    "missing": "Not Found",
    "cut": "the connection ended after",
    "damaged": "sha256 .*, expected|git blob .*, expected",
    "oversized": "gave a file of|gave more than",
    "endless": "gave more than",
    "slow": "it gave .* bytes in",
    "redirects in a circle": "infinite loop",
}


@pytest.mark.parametrize("pin", [PIN, Pin(sha256=PIN.sha256), Pin(git_blob=BLOB)], ids=["size", "sha256", "blob"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_download_is_refused_and_can_go_on(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, pin: Pin
) -> None:
    monkeypatch.setattr(downloading, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(downloading, "MOST_BYTES", 3_000_000)
    publisher.files[FIRST], publisher.faults[FIRST] = CONTENT, fault
    reason = BROKEN[fault] if pin.bytes or fault != "oversized" else ", expected"
    with pytest.raises(InputError, match=reason) as caught:
        download(FIRST, tmp_path / "a.csv", expected=Expectation(pin=pin), on_event=lambda event: None)
    assert FIRST in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "a.csv").exists()
    publisher.faults.clear()
    download(FIRST, tmp_path / "a.csv", expected=Expectation(pin=pin), on_event=lambda event: None)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    if fault in ("cut", "slow"):
        assert publisher.requests_of(FIRST)[-1] is not None
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_server_without_ranges_sends_all_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST], publisher.faults[FIRST] = CONTENT, "ignores ranges"
    (tmp_path / "a.csv.part").write_bytes(CONTENT[:50])
    download(FIRST, tmp_path / "a.csv", expected=Expectation(pin=PIN), on_event=lambda event: None)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


def test_without_a_checksum_nothing_is_appended_to_what_may_be_another_version(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.files[FIRST] = CONTENT
    (tmp_path / "a.csv.part").write_bytes(b"of yesterday")
    download(FIRST, tmp_path / "a.csv", expected=Expectation(), on_event=lambda event: None)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    assert publisher.asked == [(FIRST, None)]


def test_a_web_page_is_no_data(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST], publisher.faults[FIRST] = CONTENT, "page"
    with pytest.raises(InputError, match="a web page"):
        find(spec(FIRST, bytes=len(CONTENT)), tmp_path, sha256="any")


def test_it_is_downloaded_once_for_all(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST] = CONTENT
    for _ in range(2):
        assert find(spec(), tmp_path).paths == (tmp_path / "a.csv",)
    assert len(publisher.asked) == 1
    former = tmp_path / "other" / "former"
    former.mkdir(parents=True)
    shutil.copy(tmp_path / "a.csv", former)
    assert find(spec(), tmp_path / "other", offline=True).paths == (former / "a.csv",)


def test_two_at_once_download_it_once(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST] = CONTENT
    found: list[FoundFiles] = []
    threads = [threading.Thread(target=lambda: found.append(find(spec(), tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 4
    assert len(publisher.asked) == 1


def test_a_damaged_copy_is_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST] = CONTENT
    (tmp_path / "a.csv").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="no file of shop found"):
        find(spec(), tmp_path, offline=True)
    events = Events()
    assert find(spec(), tmp_path, events).paths[0].read_bytes() == CONTENT
    assert len(events.of(DamagedCopy)) == 1


def test_offline_and_preview_ask_nobody(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST] = CONTENT
    with pytest.raises(InputError) as caught:
        find(spec(), tmp_path / "cache", offline=True)
    assert caught.value.hint == f"leave --offline out to download {FIRST}"
    with pytest.raises(InputError) as caught:
        find(spec(), tmp_path / "cache", allowed=False)
    assert "adrec preprocess shop" in caught.value.hint
    assert publisher.asked == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("fault", ["", "no length", "said"])
def test_nothing_large_comes_unasked(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Whether the data set, the server's header or only the bytes themselves say how large it is."""
    for module in ("download", "fetching"):
        monkeypatch.setattr(f"adrec_cli.data.{module}.MOST_UNASKED_BYTES", 1000)
    publisher.files[FIRST], publisher.faults[FIRST] = CONTENT, fault
    shop = spec(FIRST, sha256=PIN.sha256, bytes=len(CONTENT) if fault == "said" else None)
    with pytest.raises(UsageError, match="MB") as caught:
        find(shop, tmp_path)
    assert "--yes" in caught.value.hint
    if fault == "said":
        assert "first.example (licence: MIT)" in caught.value.message
        assert publisher.asked == []
    events = Events()
    assert find(shop, tmp_path, events, large=True).paths[0].read_bytes() == CONTENT
    begins = DownloadBegins(
        dataset="shop", bytes=len(CONTENT) if fault == "said" else None, host="first.example", licence="MIT"
    )
    assert events.of(DownloadBegins) == [begins]


def test_what_nobody_knows_is_asked_about_and_told(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[FIRST] = CONTENT
    with pytest.raises(InputError, match="names no SHA-256"):
        find(spec(FIRST, bytes=None), tmp_path)
    events = Events()
    find(spec(FIRST, bytes=None), tmp_path, events, sha256="any")
    assert events.of(UnknownDownload) == [UnknownDownload(name="a.csv", sha256=PIN.sha256)]


def test_a_proxy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over http, which a test's proxy can read; https goes the same way through CONNECT."""
    with serving() as (proxy, port):
        proxy.files["http://nowhere.invalid/a.csv"] = CONTENT
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        download(
            "http://nowhere.invalid/a.csv",
            tmp_path / "a.csv",
            expected=Expectation(pin=PIN),
            on_event=lambda event: None,
        )
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


def test_files_of_the_users_own_are_taken_and_said(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CONTENT + b"u1,i9\n")
    places = Places(raw=tmp_path, cache=tmp_path / "cache")
    found = find_source(spec(), places=places, fetching=Fetching(), on_event=lambda event: None)
    assert found.paths == (tmp_path / "a.csv",)
    assert "is not the file that is published" in found.notes[0]
    (tmp_path / "a.csv").write_bytes(CONTENT)
    assert find_source(spec(), places=places, fetching=Fetching(), on_event=lambda event: None).notes == ()
    assert publisher.asked == []


@pytest.mark.parametrize(
    "pin", [{"sha256": "A" * 64}, {"git_blob": "0" * 39}, {"urls": ("http://a.example/f",)}, {"urls": ()}]
)
def test_a_pin_that_is_none_is_refused(pin: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"digits|https|no address"):
        replace(Download(urls=(FIRST,)), **pin)


def test_a_cache_that_cannot_be_written_is_one_line(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AdrecError) as caught:
        find(spec(), tmp_path / "file" / "cache")
    assert caught.value.exit_code == 7
