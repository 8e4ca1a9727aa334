"""What must stay light: help, version, and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Adrec, environment

HEAVY = ("torch", "polars", "numpy", "pyarrow", "safetensors")
SPY = """
import json, sys
from adrec_cli.cli.app import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
COMMANDS = ["run", "preprocess", "datasets", "pretrain", "align", "finetune", "train", "evaluate", "recommend"]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["run", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments], capture_output=True, text=True, env=environment(), timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


def test_completion_of_presets_loads_nothing_heavy() -> None:
    env = environment(_ADREC_COMPLETE="complete_bash", COMP_WORDS="adrec train --preset rep", COMP_CWORD="3")
    done = subprocess.run([sys.executable, "-c", SPY], capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.split() == ["report"]
    assert not set(json.loads(done.stderr.splitlines()[-1])) & set(HEAVY)


BARE = (
    "import typer; app = typer.Typer(); app.command('one')(lambda: 0); app.command('two')(lambda: 0); app(['--help'])"
)
"""The help of a program that does nothing: what Python, Typer and Rich cost on this machine."""


def test_help_costs_little_more_than_typer_itself() -> None:
    def user_seconds(*command: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, *command], capture_output=True, env=environment(), check=True)
        after = os.times()
        return after.children_user - before.children_user

    # CPU time in turns, and the best of four each: neither a slow machine nor other processes on it count.
    times = [(user_seconds("-m", "adrec_cli", "--help"), user_seconds("-c", BARE)) for _ in range(4)]
    ours, bare = (min(column) for column in zip(*times, strict=True))
    assert ours <= 3 * bare, f"{ours:.2f} s, {bare:.2f} s without adrec"


def test_help_lists_every_command(adrec: Adrec) -> None:
    shown = adrec("--help").stdout
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(adrec: Adrec, command: str) -> None:
    done = adrec(command, "--help")
    assert done.exit_code == 0
    if command != "datasets":
        assert f"$ adrec {command}" in done.stdout


def test_version(adrec: Adrec) -> None:
    assert adrec("--version").stdout.startswith("adrec ")
