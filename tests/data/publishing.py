"""A server of the tests' own that stands in for the ones data sets are published on, and ways it can fail."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adrec_cli.data import download, named_datasets, plan
from adrec_cli.data.datasets import DatasetSpec, ItemFile, SourceFiles
from adrec_cli.data.pins import Download

HTTPS = "https://"


@dataclass
class Publisher:
    """What is published where, how each address fails, and what was asked for.

    Attributes:
        files: by address.
        faults: by address: "missing", "cut" (once), "damaged", "slow", "endless", "oversized", "page", "redirects in
            a circle", "no length", "ignores ranges".
        asked: address and range of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def requests_of(self, url: str) -> list[str | None]:
        """Return the ranges that an address was asked for."""
        return [wanted for asked, wanted in self.asked if asked == url]


class _Handler(http.server.BaseHTTPRequestHandler):
    publisher: Publisher

    def do_GET(self) -> None:
        # As a proxy it gets the whole address; as a server what `publishing` has put behind its own.
        url = self.path if "://" in self.path else HTTPS + self.path.removeprefix("/")
        wanted = self.headers.get("Range")
        self.publisher.asked.append((url, wanted))
        fault = self.publisher.faults.get(url, "")
        content = self.publisher.files.get(url)
        if content is None or fault == "missing":
            self.send_error(404)
            return
        if fault == "redirects in a circle":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        with contextlib.suppress(ConnectionError):
            self._send(url, content, wanted, fault)

    def _send(self, url: str, content: bytes, wanted: str | None, fault: str) -> None:
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and fault != "ignores ranges" else 0
        if fault == "damaged":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault in ("oversized", "endless"):
            content += b"more"
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "text/html" if fault == "page" else "application/octet-stream")
        if fault not in ("endless", "no length"):
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if fault == "cut":
            del self.publisher.faults[url]
            self.wfile.write(content[first : len(content) // 2])
            return
        for place in range(first, len(content), 1 if fault == "slow" else 1 << 20):
            self.wfile.write(content[place : place + (1 if fault == "slow" else 1 << 20)])
            if fault == "slow":
                time.sleep(0.05)
        while fault == "endless":
            self.wfile.write(bytes(1 << 16))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Stand in for every https server: requests go to this one, whatever the host; proxies are those of a user."""
    with serving() as (published, port):
        opened = download._open

        def open_here(request: urllib.request.Request) -> Any:
            if request.full_url.startswith(HTTPS):
                request.full_url = f"http://127.0.0.1:{port}/{request.full_url.removeprefix(HTTPS)}"
            return opened(request)

        monkeypatch.setattr(download, "_open", open_here)
        yield published


@contextlib.contextmanager
def serving() -> Iterator[tuple[Publisher, int]]:
    """Run a server and yield what it publishes and its port."""
    published = Publisher()
    handler = type("Handler", (_Handler,), {"publisher": published})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield published, running.server_port
        finally:
            running.shutdown()
            thread.join()


def publish(spec: DatasetSpec, files: dict[str, bytes], publisher: Publisher) -> DatasetSpec:
    """Publish files at the addresses of a data set, and return it with their checksums in place of its own.

    Args:
        spec: the data set.
        files: by the name a source or an item file has in it, or by that of an archive.
        publisher: of the addresses.
    """

    def restate(form: SourceFiles | ItemFile) -> Any:
        names = [one.name for one in form.published] if form.members else form.files
        downloads = []
        for name, one in zip(names, form.published, strict=False):
            if name not in files:
                return replace(form, downloads=(), url="", sha256="", members=())
            downloads.append(_pinned(one, files[name]))
            publisher.files |= dict.fromkeys(one.urls, files[name])
        return replace(form, downloads=tuple(downloads), url="", sha256="")

    return replace(spec, sources=tuple(map(restate, spec.sources)), items=tuple(map(restate, spec.items)))


def _pinned(one: Download, content: bytes) -> Download:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return replace(
        one,
        sha256=hashlib.sha256(content).hexdigest() if one.sha256 else "",
        git_blob=blob if one.git_blob else "",
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest() if one.md5 else "",
        bytes=len(content) if one.bytes is not None else None,
    )


def use(spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch, typed: str = "") -> None:
    """Let a description stand in for the shipped one of its name, or of what is typed for it."""
    shipped = named_datasets.load_dataset_spec
    monkeypatch.setattr(plan, "load_dataset_spec", lambda name: spec if name == (typed or spec.name) else shipped(name))
