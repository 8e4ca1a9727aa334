"""Downloads from a server of the test's own: progress, resuming, checksums, archives, no network."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from adrec_cli.data.datasets import DatasetSpec, SourceFiles
from adrec_cli.data.download import DownloadProgress, Expectation, download, extract_member
from adrec_cli.data.fetching import Fetching
from adrec_cli.data.pins import Pin
from adrec_cli.data.raw_files import FoundFiles, Places, find_source
from adrec_cli.errors import InputError

pytestmark = pytest.mark.usefixtures("in_shell")

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
EXPECTED = Expectation(pin=Pin(sha256=DIGEST))


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; may break off once."""

    ranges: ClassVar[list[str | None]] = []
    break_after: ClassVar[int | None] = None

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Server.ranges.append(wanted)
        if self.path == "/missing":
            self.send_error(404)
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if first >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        limit, Server.break_after = Server.break_after, None
        self.wfile.write(CONTENT[first:limit])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.ranges, Server.break_after = [], None
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def ignore(event: object) -> None:
    pass


def test_a_file_arrives_whole_with_progress(server: str, tmp_path: Path) -> None:
    seen: list[DownloadProgress] = []
    download(f"{server}/f", tmp_path / "f", expected=EXPECTED, on_event=seen.append)  # type: ignore[arg-type]
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert seen[-1] == DownloadProgress(name="f", done=len(CONTENT), total=len(CONTENT))
    download(f"{server}/f", tmp_path / "f", expected=EXPECTED, on_event=ignore)
    assert len(Server.ranges) == 1


def test_a_broken_download_is_continued(server: str, tmp_path: Path) -> None:
    Server.break_after = 3_000_000
    with pytest.raises(InputError, match="could not fetch"):
        download(f"{server}/f", tmp_path / "f", expected=EXPECTED, on_event=ignore)
    assert not (tmp_path / "f").exists()
    have = (tmp_path / "f.part").stat().st_size
    assert 0 < have <= 3_000_000
    download(f"{server}/f", tmp_path / "f", expected=EXPECTED, on_event=ignore)
    assert Server.ranges == [None, f"bytes={have}-"]
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert not (tmp_path / "f.part").exists()


def test_a_part_longer_than_the_file_is_fetched_anew(server: str, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT + b"more")
    download(f"{server}/f", tmp_path / "f", expected=EXPECTED, on_event=ignore)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_another_content_than_expected_is_thrown_away(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sha256 .* expected 0000"):
        download(f"{server}/f", tmp_path / "f", expected=Expectation(pin=Pin(sha256="0" * 64)), on_event=ignore)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_clear_line(tmp_path: Path, server: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/f", f"{server}/missing"):
        with pytest.raises(InputError) as caught:
            download(url, tmp_path / "f", expected=Expectation(), on_event=ignore)
        assert caught.value.message.startswith(f"could not fetch {url}: ")
        assert "--raw" in caught.value.hint


def test_archives_are_unpacked_by_member(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("ml/ratings.dat", "1::2::3::4\n")
    extract_member(archive, "ml/ratings.dat", tmp_path / "ratings.dat")
    assert (tmp_path / "ratings.dat").read_text() == "1::2::3::4\n"
    with pytest.raises(InputError, match=r"no readable 'ml/none\.dat'"):
        extract_member(archive, "ml/none.dat", tmp_path / "none.dat")
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(InputError, match="no readable"):
        extract_member(archive, "ml/ratings.dat", tmp_path / "other.dat")


def spec(*sources: SourceFiles) -> DatasetSpec:
    return DatasetSpec(
        name="shop", title="t", licence="l", citation="c", homepage="https://example.org", sources=sources
    )


def find(spec: DatasetSpec, raw: Path | None, cache: Path, **fetching: object) -> FoundFiles:
    places = Places(raw=raw, cache=cache)
    return find_source(spec, places=places, fetching=Fetching(**fetching), on_event=ignore)  # type: ignore[arg-type]


def test_raw_files_are_looked_for_in_the_folder_of_the_name_first(tmp_path: Path) -> None:
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    (raw / "shop").mkdir(parents=True)
    forms = spec(SourceFiles(files=("a.csv",)), SourceFiles(files=("train.csv", "test.csv")))
    (raw / "a.csv").write_text("")
    assert find(forms, raw, cache).paths == (raw / "a.csv",)
    (raw / "shop" / "train.csv").write_text("")
    assert find(forms, raw, cache).paths == (raw / "a.csv",)
    (raw / "shop" / "test.csv").write_text("")
    found = find(forms, raw, cache)
    assert [path.name for path in found.paths] == ["train.csv", "test.csv"]


def test_files_that_are_nowhere_are_asked_for_by_name(tmp_path: Path) -> None:
    forms = spec(SourceFiles(files=("a.csv",)), SourceFiles(files=("train.csv", "test.csv")))
    with pytest.raises(InputError) as caught:
        find(forms, None, tmp_path)
    assert "expected a.csv or train.csv + test.csv" in caught.value.message
    assert "https://example.org" in caught.value.hint


def test_a_data_set_is_downloaded_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as content:
        content.writestr("in/a.csv", "x")

    def deliver(url: str, target: Path, *, expected: Expectation, on_event: object) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(packed.getvalue())

    monkeypatch.setattr("adrec_cli.data.fetching.download", deliver)
    form = SourceFiles(files=("a.csv",), url="https://example.org/a.zip", members=("in/a.csv",))
    found = find(spec(form), None, tmp_path / "cache", sha256="any")
    assert found.paths[0].read_text() == "x"
    with pytest.raises(InputError):
        find(spec(form), None, tmp_path / "other", allowed=False)
