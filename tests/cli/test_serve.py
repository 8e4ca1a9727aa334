"""`adrec serve` as a process: it says where it is, answers, and ends on a signal."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from adrec_cli.errors import StorageError
from tests.cli.conftest import Adrec, environment

pytest.importorskip("starlette", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")


def test_it_answers_until_it_is_stopped(shop: Path) -> None:
    command = [sys.executable, "-m", "adrec_cli", "serve", "--port", "0", "--workspace", str(shop), "--dataset", "shop"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert address is not None, line
            body = json.dumps({"user": "u01", "k": 3}).encode()
            with urllib.request.urlopen(f"{address[0]}/recommend", body, timeout=30) as response:
                assert len(json.load(response)["items"]) == 3
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 143
            assert "Traceback" not in process.stderr.read()
        finally:
            # Popen's own end waits for the process, for ever if something above failed.
            process.kill()


def test_an_address_that_is_taken(adrec: Adrec, shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = adrec("serve", "--port", port, "--workspace", shop, "--dataset", "shop")
    assert done.exit_code == 7
    assert f"could not listen on 127.0.0.1 port {port}" in done.stderr
    assert adrec("serve", "--max-k", 0, "--workspace", shop, "--dataset", "shop").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all", "--dataset", "shop"], "--dataset and --all say which data sets to serve"),
        (["shop", "--all"], "arguments and --all say which data sets to serve"),
        (["shop", "--dataset", "shop"], "arguments and --dataset say which data sets to serve"),
        (["shop", "other"], "dataset 'other' is not in"),
        (["--all", "--model", "finetune.safetensors"], "several data sets are served"),
        (["--all", "--model", "gru4rec"], "no data set in"),
    ],
)
def test_what_cannot_be_served_together_is_refused(adrec: Adrec, shop: Path, words: list[str], said: str) -> None:
    done = adrec("serve", *words, "--workspace", shop)
    assert said in done.stderr.splitlines()[0]
    assert done.exit_code in (2, 4)


def test_one_that_is_named_is_served_as_the_only_one(adrec: Adrec, shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = adrec("serve", "shop", "--port", port, "--workspace", shop)
    assert f"could not listen on 127.0.0.1 port {port}" in done.stderr


@pytest.mark.parametrize("make", ["make_server", "make_shops"])
def test_a_reload_that_is_asked_for_while_the_model_is_loaded_ends_nothing(
    adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    from adrec_cli.pipeline import serve

    def hang_up(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGHUP)
        raise StorageError("loaded so far")

    monkeypatch.setattr(serve, make, hang_up)
    before = signal.getsignal(signal.SIGHUP)
    done = adrec("serve", "--workspace", shop, *(["--all"] if make == "make_shops" else []))
    assert (done.exit_code, done.stderr.splitlines()[0]) == (7, "error: loaded so far")
    assert signal.getsignal(signal.SIGHUP) == before
