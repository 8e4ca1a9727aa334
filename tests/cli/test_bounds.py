"""Numbers that are typed are held to the bound itself, and exit codes and colours to what they stand for."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from adrec_cli.cli.app import _exit_code
from adrec_cli.cli.bounds import MOST_COUNT, require_bounded
from adrec_cli.cli.show.help_page import _paint
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import UsageError
from adrec_cli.runtime import MOST_THREADS
from tests.cli.conftest import Adrec

MOST = {
    "threads": MOST_THREADS, "keep_data": 10_000, "seed": 2**63 - 1, "max_rows": 2**62, "max_bytes": 2**62,
    "epochs": MOST_COUNT, "any_other": 2**31 - 1,
}  # fmt: skip


@pytest.mark.parametrize("name", MOST)
def test_a_count_is_at_most_its_bound(name: str) -> None:
    most = MOST[name]
    least = 1 if name == "threads" else -most
    require_bounded({"a": None, "b": "text", name: most, "c": True})
    require_bounded({name: least})
    for value in (most + 1, -most - 1, 10**29, 10**30):
        with pytest.raises(UsageError, match=f"must be at most {most:,}, got ") as refused:
            require_bounded({"first": 1, name: value})
        shown = "a number of more than 30 digits" if value == 10**30 else f"{value:,}"
        assert str(refused.value).endswith(f"got {shown}")
    if name == "threads":
        with pytest.raises(UsageError, match="must be at least 1, got 0"):
            require_bounded({name: 0})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_only_waiting_may_be_endless(value: float) -> None:
    require_bounded({"wait": value, "rate": 1e300})
    with pytest.raises(UsageError, match=f"must be a finite number, got {value}"):
        require_bounded({"wait": 1.0, "rate": value})


def test_the_exit_code_is_that_of_the_command(
    trained_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained_shop, tmp_path / "workspace")
    assert _exit_code(["verify", "-w", str(tmp_path / "workspace")]) == 0
    assert _exit_code(["status", "-w", str(tmp_path / "workspace")]) == 0
    assert _exit_code(["--bogus"]) == 2
    assert _exit_code(["status", "-w", str(tmp_path / "nowhere")]) == 4
    with open(tmp_path / "workspace/shop/sequences.parquet", "ab") as file:
        file.write(b"more")
    assert _exit_code(["verify", "-w", str(tmp_path / "workspace")]) == 4
    assert "1 of " in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("no_colour", [None, "", "1"])
@pytest.mark.parametrize("term", [None, "", "dumb", "a-term", "xterm-256color"])
def test_help_has_colours_on_terminals_that_have_them(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_colour: str | None, term: str | None
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    for name, value in (("NO_COLOR", no_colour), ("TERM", term)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    coloured = terminal and no_colour is None and term != "dumb"
    assert (_paint("word", bold=True) != "word") == coloured


def test_verifying_tells_machines_whether_all_is_whole(trained_shop: Path, tmp_path: Path, adrec: Adrec) -> None:
    shutil.copytree(trained_shop, tmp_path / "workspace")
    for whole in (True, False):
        done = adrec("verify", "-w", tmp_path / "workspace", "--json")
        told = json.loads(done.stdout)
        assert told["whole"] is whole
        assert done.exit_code == (0 if whole else 4)
        (tmp_path / "workspace/shop/items.parquet").write_bytes(b"PAR1")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_words_of_adrec_carry_their_own_colours_alone(stream: str) -> None:
    """Rich would colour numbers and paths, and turn :smile: into a picture."""
    console = Terminal().out if stream == "stdout" else Terminal().err
    assert console.stderr is (stream == "stderr")
    assert not console._highlight
    assert not console._emoji
