"""What README shows, typed as it stands where nothing is set up: at 80x24, through a pipe, in colours and without."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import write_interactions
from tests.robustness.processes import TINY
from tests.test_readme import ROOT, blocks
from tests.tiers import sampled

COLUMNS, ROWS = 80, 24
SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a command is typed: at a terminal or through a pipe, and what is set besides PATH and HOME."""

    terminal: bool
    variables: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False


PLACES = {
    "a pipe": Surroundings(terminal=False, plain=True),
    "a terminal": Surroundings(terminal=True, variables={"TERM": "xterm-256color"}),
    "a dark terminal": Surroundings(terminal=True, variables={"TERM": "xterm-256color", "COLORFGBG": "15;0"}),
    "a light terminal": Surroundings(terminal=True, variables={"TERM": "xterm-256color", "COLORFGBG": "0;15"}),
    "a terminal without colours": Surroundings(terminal=True, variables={"TERM": "xterm", "NO_COLOR": "1"}, plain=True),
    "a terminal nobody knows": Surroundings(terminal=True, plain=True),
}
QUICK = ("a pipe", "a terminal")
"""Where also what takes long is typed."""


@dataclass(frozen=True)
class Typed:
    """How a command ended, and what stood on the terminal or in the pipe, errors apart where there are two streams."""

    exit_code: int
    shown: str
    errors: str

    @property
    def text(self) -> str:
        """It without what only a terminal understands, each line as it stood last."""
        bare = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])", "", self.shown)
        return "\n".join(line.rstrip("\r").rpartition("\r")[2].rstrip() for line in bare.split("\n"))


class Home:
    """A home of somebody who has installed adrec and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / ".venv/bin"
        self.bin.mkdir(parents=True)
        adrec = self.bin / "adrec"
        # An installed adrec finds its package by itself; here PYTHONPATH says where the sources are.
        adrec.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {sys.executable} -m adrec_cli "$@"\n')
        adrec.chmod(0o755)

    def types(self, line: str, place: Surroundings) -> Typed:
        """Type a line of README."""
        env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), **place.variables}
        if not place.terminal:
            done = subprocess.run(
                ["/bin/sh", "-c", line], cwd=self.folder, env=env, capture_output=True, text=True, timeout=SECONDS,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            return Typed(done.returncode, done.stdout, done.stderr)
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        with subprocess.Popen(
            ["/bin/sh", "-c", line], cwd=self.folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        ) as process:  # fmt: skip
            os.close(theirs)
            shown = _read_all(ours, process)
        os.close(ours)
        return Typed(process.returncode, shown, shown)


def _read_all(terminal: int, process: subprocess.Popen[bytes]) -> str:
    content, deadline = b"", time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                more = os.read(terminal, 65536)
            except OSError:  # the other side has closed it
                break
            if not more:
                break
            content += more
        elif process.poll() is not None:
            break
    else:
        process.kill()
    process.wait()
    return content.decode("utf-8")


def width(line: str) -> int:
    """Return how many columns a line takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    return len(line) + wide - sum(bool(unicodedata.combining(char)) for char in line)


def require_well(line: str, typed: Typed, place: Surroundings) -> None:
    """Check that a command did what README says and that one can read it."""
    assert typed.exit_code == 0, (line, typed.text, typed.errors)
    assert "Traceback" not in typed.shown + typed.errors
    if place.plain:
        colours = re.findall(r"\x1b\[[\d;]*m", typed.shown + typed.errors)
        assert not [code for code in colours if re.search(r"[34]\d", code)], (line, typed.shown)
    if not place.terminal:
        assert "\x1b" not in typed.shown + typed.errors, line
        assert "\r" not in typed.shown, line
        return
    # A long word, such as a path, is not broken, nor is a command that one may copy; tables and sentences are.
    lines = [one for one in typed.text.split("\n") if not one.startswith("  $ ")]
    wide = [one for one in lines if width(one) > COLUMNS and max(map(width, one.split())) < COLUMNS // 2]
    assert not wide, (line, wide)


def lines_of(*commands: str) -> list[str]:
    """Return the lines of README's blocks that type one of these commands, as they stand."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if re.match(rf"(\.venv/bin/)?adrec ({'|'.join(commands)})\b", line)]


@sampled("place", QUICK, quick=["a terminal"])
def test_the_first_commands_are_legible_anywhere(tmp_path: Path, place: str) -> None:
    home = Home(tmp_path)
    write_interactions(tmp_path / "shop.csv", users=40)
    for line in ("adrec preprocess shop.csv --dry-run", "adrec recommend --help"):
        require_well(line, home.types(line, PLACES[place]), PLACES[place])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home where the demo was trained, if only a little."""
    home = Home(tmp_path_factory.mktemp("home"))
    write_interactions(home.folder / "shop.csv", users=40)
    trained = home.types(f"adrec run demo {shlex.join(TINY)} --quiet", PLACES["a pipe"])
    assert trained.exit_code == 0, trained.errors
    return home


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_what_readme_types_is_answered_and_legible_anywhere(home: Home, place: str) -> None:
    asked = [line for line in lines_of("recommend") if "--user 42" not in line]
    assert len(asked) >= 2
    for line in [*asked, "adrec preprocess shop.csv --dry-run", *lines_of("status")]:
        require_well(line, home.types(line, PLACES[place]), PLACES[place])


@pytest.mark.slow
def test_the_answer_that_readme_shows_looks_like_this_at_a_terminal(home: Home) -> None:
    (line,) = [line for line in lines_of("recommend") if "--history" in line]
    shown = next(block for block in blocks("") if block.startswith("history s00e00,s00e01")).splitlines()
    found = home.types(line, PLACES["a terminal"]).text.rstrip().split("\n")
    assert (found[:2], found[2].split()) == (shown[:2], shown[2].split())
    assert [row.split()[0] for row in found[4:]] == [row.split()[0] for row in shown[4:]] == ["1", "2", "3", "4", "5"]
    piped = home.types(line, PLACES["a pipe"]).shown.splitlines()
    assert [row.split("\t")[0] for row in piped] == ["for", *["history s00e00,s00e01"] * 5]
