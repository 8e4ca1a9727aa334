"""On a terminal: narrow, dumb, without colour, interrupted by its keys, closed; and streams that are closed or full."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.processes import TINY, Running, save_state_every_step, typed
from tests.tiers import sampled

LONG = [*TINY, "--epochs", "4000", "--patience", "0"]
CTRL_C = b"\x03"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-9]|4[0-9]|9[0-7]|10[0-7])[0-9;]*m")


class Terminal:
    """A pseudo-terminal, and what has been written to it."""

    def __init__(self, columns: int) -> None:
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.path = os.ttyname(slave)
        self.slave = slave
        self.content = b""
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self.master, 65536):
                self.content += chunk

    @property
    def shown(self) -> str:
        """What has been written so far."""
        return self.content.decode(errors="replace")

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until something is shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown[-2000:]
            time.sleep(0.01)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(40)
    yield made
    for descriptor in (made.master, made.slave):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def sit_at(path: str, variables: dict[str, str], slow: float = 0.0) -> None:
    """Make a terminal this process's own, and set its environment; let steps take long if asked to."""
    os.environ.update({"TERM": "xterm-256color", **variables})
    for name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"):
        if name not in variables:
            os.environ.pop(name, None)
    os.setsid()
    opened = os.open(path, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(opened, number)
    save_state_every_step()
    if slow:
        from adrec_cli.training import loop

        real = loop.StageTraining._step
        loop.StageTraining._step = lambda *args: (time.sleep(slow), real(*args))[1]  # type: ignore[method-assign]


def started(terminal: Terminal, workspace: Path, folder: Path, slow: float = 0.0, **variables: str) -> Running:
    """Start a training at a terminal."""
    line = ["pretrain", "shop", *LONG, "--workspace", workspace]
    return Running(line, folder, functools.partial(sit_at, terminal.path, variables, slow))


def rows(shown: str) -> list[str]:
    """What each line of a terminal has been, without control sequences."""
    return [CONTROL.sub("", row) for row in re.split(r"[\r\n]+", shown)]


def test_progress_fits_a_narrow_terminal(terminal, workspace, tmp_path):
    running = started(terminal, workspace, tmp_path, slow=0.05)
    terminal.until("━")
    time.sleep(1.0)
    os.write(terminal.master, CTRL_C)
    assert running.ended().exit_code == 130
    bars = [row for row in rows(terminal.shown) if "━" in row or "╸" in row]
    assert bars
    assert max(map(len, bars)) <= 40
    assert any("pretrain" in bar for bar in bars)


def test_a_terminal_that_understands_nothing(terminal, workspace, tmp_path):
    running = started(terminal, workspace, tmp_path, TERM="dumb")
    terminal.until("pretrain    3/4000")
    os.write(terminal.master, CTRL_C)
    assert running.ended().exit_code == 130
    terminal.until("stopped in epoch")
    assert "\x1b" not in terminal.shown
    assert "━" not in terminal.shown


def test_no_colour(terminal, workspace, tmp_path):
    coloured = started(terminal, workspace, tmp_path, slow=0.05)
    terminal.until("━")
    os.write(terminal.master, CTRL_C)
    assert coloured.ended().exit_code == 130
    terminal.until("stopped in epoch")
    assert COLOUR.search(terminal.shown)
    plain = Terminal(40)
    running = started(plain, workspace, tmp_path, slow=0.05, NO_COLOR="1")
    plain.until("━")
    os.write(plain.master, CTRL_C)
    assert running.ended().exit_code == 130
    plain.until("stopped in epoch")
    assert not COLOUR.search(plain.shown)


def test_control_c_saves_and_a_second_one_ends_at_once(terminal, workspace, tmp_path):
    state = workspace / "shop/adrec/pretrain.state.safetensors"
    running = started(terminal, workspace, tmp_path)
    terminal.until("3/4000")
    os.write(terminal.master, CTRL_C)
    assert running.ended().exit_code == 130
    terminal.until("stopped in epoch")
    assert state.exists()
    slow = Terminal(80)
    running = started(slow, workspace, tmp_path, slow=6.0)
    slow.until("of an unfinished run")
    time.sleep(0.5)
    sent = time.perf_counter()
    os.write(slow.master, CTRL_C)
    time.sleep(0.5)
    os.write(slow.master, CTRL_C)
    assert running.ended().exit_code == 130
    assert time.perf_counter() - sent < 5


def test_a_terminal_that_is_closed(terminal, workspace, tmp_path):
    """Nothing can be shown any more, and the training is saved all the same."""
    running = started(terminal, workspace, tmp_path)
    terminal.until("3/4000")
    os.close(terminal.slave)
    os.close(terminal.master)
    assert running.ended().exit_code == 129
    assert (workspace / "shop/adrec/pretrain.state.safetensors").exists()


def onto(path: str) -> None:
    """Let stdout be a file."""
    os.dup2(os.open(path, os.O_WRONLY), 1)


@pytest.mark.parametrize(
    "line",
    [["recommend", "--user", "u1"], ["verify"], ["recommend", "--all", "--out", "-"]],
)
def test_a_result_that_cannot_be_written(workspace, tmp_path, line):
    ended = typed([*line, "--workspace", workspace], tmp_path, functools.partial(onto, "/dev/full"))
    assert "o space left on" in ended.require_one_error(7)


@sampled(
    "closed,words,shown",
    [
        ("<&-", "datasets", "grocery"),
        (">&-", "datasets", ""),
        ("2>&-", "datasets", "grocery"),
        ("2>&-", "verify", "finetune.safetensors"),
        ("<&- >&- 2>&-", "datasets", ""),
    ],
    quick=[("2>&-", "datasets", "grocery")],
)
def test_streams_that_are_closed(workspace, closed, words, shown):
    command = f'"{sys.executable}" -m adrec_cli {words} --workspace "{workspace}" {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 7, 141), done.stderr
    assert "Traceback" not in done.stderr
    if shown:
        assert done.returncode == 0
        assert shown in done.stdout
