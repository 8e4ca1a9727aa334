"""Processes that `--devices` starts: what they are given, and how they end with each other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from adrec_cli.cli import launching
from adrec_cli.cli.launching import launch
from adrec_cli.errors import UsageError
from adrec_cli.runtime import Launched, StopRequest, find_launched
from tests.robustness.processes import artifacts, typed

SMALL = [
    "train", "tiny", "--model", "sasrec", "--set", "model.hidden_size=8", "--epochs", "2", "--threads", "1",
    "--set", "training.accumulate=2",
]  # fmt: skip


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch):
    """Return a function that launches processes of a script in place of adrec; `rank` is known to it."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def start(script: str, *arguments: object, count: int = 2) -> int:
        script = f"import os, signal, sys, time; rank = int(os.environ['RANK'])\n{script}"
        monkeypatch.setattr(launching, "_ADREC", (sys.executable, "-S", "-c", script))
        return launch([str(argument) for argument in arguments], count)

    return start


def test_each_is_given_its_place_and_the_arguments(launched, tmp_path):
    script = "import json; print(json.dumps([sys.argv[1:], dict(os.environ)]), file=open(f'{sys.argv[1]}/{rank}', 'w'))"
    assert launched(script, tmp_path, "--devices", 2) == 0
    found = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(2)]
    for rank, (arguments, variables) in enumerate(found):
        assert arguments == [str(tmp_path), "--devices", "2"]
        assert (variables["RANK"], variables["LOCAL_RANK"]) == (str(rank), str(rank))
        assert (variables["WORLD_SIZE"], variables["LOCAL_WORLD_SIZE"]) == ("2", "2")
        assert variables["OMP_NUM_THREADS"] == "4"
    assert found[0][1]["MASTER_PORT"] == found[1][1]["MASTER_PORT"]


_LOSE_THE_STORE = """
import os, sys
from datetime import timedelta
from adrec_cli.cli import app
app.end_now = lambda code: None
try:
    app.main(["--version"])
except SystemExit:
    pass
import torch.distributed as dist
reading, writing = os.pipe()
ending, holding = os.pipe()
def store(serves, port):
    return dist.TCPStore("127.0.0.1", port, None, serves, timedelta(seconds=20), wait_for_workers=False)
served = os.fork()
if served == 0:
    os.close(holding)
    kept = store(True, 0)
    os.write(writing, f"{kept.port:6}".encode())
    os.read(ending, 1)
    os._exit(0)
joined = store(False, int(os.read(reading, 6)))
os.close(holding)
os.waitpid(served, 0)
try:
    joined.add("gone", 1)
except dist.DistNetworkError:
    print("lost")
"""
"""One of two processes, whose first ends while this one talks to it."""


def test_one_whose_first_process_has_gone_writes_no_frames_of_c():
    place = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment = {name: value for name, value in os.environ.items() if name != "TORCH_CPP_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", _LOSE_THE_STORE], env=environment | place, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "lost"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("script", "code"), [("sys.exit(6)", 6), ("sys.exit(rank)", 0), ("sys.exit(8 - rank)", 8), ("pass", 0)]
)
def test_the_exit_code_is_that_of_the_first(launched, script, code):
    assert launched(script, count=3) == code


@pytest.mark.parametrize(
    ("killed", "deaf", "code"), [(1, False, 143), (0, False, 137), (1, True, 137)], ids=["other", "first", "deaf"]
)
def test_one_that_is_killed_ends_the_others(launched, monkeypatch, capsys, killed, deaf, code):
    """Those that do not end by themselves are asked to, and killed if they are deaf to it."""
    monkeypatch.setattr(launching, "_ASKED_AFTER", 0.3)
    monkeypatch.setattr(launching, "_KILLED_AFTER", 0.6)
    script = f"""
if rank == {killed}:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)
if {deaf}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(300)
"""
    began = time.monotonic()
    assert launched(script) == code
    assert time.monotonic() - began < 15
    said = capsys.readouterr().err
    assert f"process {killed} of 2 was ended by SIGKILL" in said
    assert "run the same command again" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_to_all(launched, tmp_path, number):
    script = f"""
def end(number, frame):
    open(f'{{sys.argv[1]}}/{{rank}}-{{number}}', 'w').close()
    sys.exit(128 + number)
signal.signal({int(number)}, end)
open(f'{{sys.argv[1]}}/{{rank}}-ready', 'w').close()
time.sleep(300)
"""
    heard = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL

    def send() -> None:
        while len(list(tmp_path.glob("*-ready"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    # Whoever runs the tests in the background may have it ignored.
    before = signal.signal(number, heard)
    try:
        threading.Thread(target=send, daemon=True).start()
        assert launched(script, tmp_path) == 128 + number
        assert signal.getsignal(number) == heard
    finally:
        signal.signal(number, before)
    assert {path.name for path in tmp_path.glob(f"*-{int(number)}")} == {f"{rank}-{int(number)}" for rank in range(2)}


def test_what_is_ignored_stays_ignored(launched):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert launched("sys.exit(int(signal.getsignal(signal.SIGHUP) != signal.SIG_IGN))") == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_more_processes_than_cores(launched):
    with pytest.raises(UsageError, match="9 processes on a machine with 8 cores"):
        launched("pass", count=9)


def test_a_process_knows_its_place_by_the_variables_of_torchrun(monkeypatch):
    given = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "host"}
    for name, value in given.items():
        assert find_launched() is None
        monkeypatch.setenv(name, value)
    assert find_launched() == Launched(rank=3, count=4, local_rank=1, here=2)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert find_launched() is None


def test_a_signal_and_its_echo_are_one():
    """Where a terminal sends it to all processes and the launcher passes it on, it does not hurry them."""
    stop = StopRequest()
    stop.echo_seconds = 0.2
    with stop.install(), stop.defer():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM
        time.sleep(0.25)
        with pytest.raises(Exception, match="stopped by SIGTERM"):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["--devices", "torchrun"])
def test_a_training_by_a_real_launcher(workspace: Path, tmp_path: Path, launcher: str):
    alone = Path(shutil.copytree(workspace, tmp_path / "alone"))
    assert typed([*SMALL, "-w", alone], tmp_path).exit_code == 0
    run = [sys.executable, "-m", "adrec_cli", *SMALL, "--devices", "2"]
    if launcher == "torchrun":
        run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "adrec_cli", *SMALL]
    done = subprocess.run([*run, "-w", workspace], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "2 processes share the 2 parts of each step" in done.stderr
    found, expected = (artifacts(folder / "tiny") for folder in (workspace, alone))
    assert found == expected
