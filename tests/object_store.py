"""A store of S3 on this machine: moto's, which speaks what the real one does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

CANARY = "canary7secret"
"""The secret that the store is asked with; it may stand nowhere."""
ASKED: list[tuple[str, str]] = []
"""Method and path of each request that the store was asked."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    answer = running._server.app

    def count(environ: dict[str, Any], start_response: Any) -> Any:
        ASKED.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return answer(environ, start_response)

    running._server.app = count
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty bucket "lake"; its objects are put with pyarrow."""
    from pyarrow import fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_proxy", "127.0.0.1,0.0.0.0,localhost")
    store = fs.S3FileSystem(
        endpoint_override=endpoint.partition("://")[2], scheme="http", allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )  # fmt: skip
    store.create_dir("lake")
    yield store
    store.delete_dir("lake")
