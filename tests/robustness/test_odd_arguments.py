"""Whatever is typed, every command ends with a documented exit code and without a traceback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch._dynamo  # noqa: F401 - stopped in the midst of being imported, it would stay half imported
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrec_cli.cli.app import app
from adrec_cli.errors import ExitCode
from tests.robustness.processes import typed_here
from tests.tiers import sampled

DOCUMENTED = {int(code) for code in ExitCode} | {141}
SECONDS = 4
"""After which a command that works on something is stopped, as SIGTERM stops it."""

PLAIN = [
    "shop",
    "finetune",
    "pretrain.safetensors",
    "adrec",
    "sasrec",
    "mostpop",
    "u1",
    "i1,i2",
    "1",
    "2",
    "0.5",
    "cpu",
]
ODD = [
    "", " ", "0", "-1", "1e400", "nan", "-inf", "9" * 30, "9" * 5000, "x" * 10_000, "..", "../..", ".", "./",
    "~", "-", "--", "[", "*", "**", "?", "[1]", "{}", "%s", "{0}", "$HOME", "`id`", "a\nb", "a\tb", "\x1b[31m",
    "\u202e", "東京", "\udcff", "\ufeff", "/etc", "/etc/passwd", "shop/..", "workspace", "shop.csv",
    "model.lambda=nan", "model=1", "model.hidden_size=", "a=b=c", "=", ",", ",,", "a,b", "1,2,3", "0x10", "１",
    "1_000", "true", "null", "ndcg@10", "ndcg@0", "ndcg@10 >= current", "ndcg@10 >= current - 9e999", "[model]",
    "2020-02-30", "0000-00-00", "9999-12-31", "utf-7", "idna", "rot13", "\\", "\\t",
]  # fmt: skip


def commands() -> Iterator[tuple[list[str], Any]]:
    """Every command of the command line, as one types it, with its parameters."""

    def below(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
        inner = getattr(command, "commands", {})
        for name, one in inner.items():
            yield from below(one, [*words, name])
        if words and (not inner or command.invoke_without_command):
            yield words, command

    yield from below(typer.main.get_command(app), [])


COMMANDS = {" ".join(words): command for words, command in commands()}
LONGER = ("serve", "plot", "bench", "report", "pretrain", "finetune")
"""Commands that work for a while on what is typed."""


@st.composite
def lines(draw: st.DrawFn, command: Any) -> list[str]:
    """What might be typed behind a command: some of its options and arguments with any values."""
    words: list[str] = []
    value = st.sampled_from(PLAIN) | st.sampled_from(ODD) | st.text(st.characters(exclude_characters="\0"), max_size=12)
    # Where it works is fixed: nothing may be written elsewhere, and by no other process.
    known = [one for one in command.params if not {"--workspace", "--help", "--debug", "--devices"} & {*one.opts}]
    for parameter in draw(st.lists(st.sampled_from(known), max_size=5)) if known else []:
        typed = draw(value)
        if parameter.param_type_name == "argument":
            words.append(typed)
        elif parameter.is_flag:
            words.append(draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts])))
        else:
            words += [parameter.opts[0], typed]
    return words


@contextlib.contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """Send this process SIGTERM when it takes longer; a command in it ends as it does when it is stopped."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGTERM, before)


def require_documented_end(name: str, typed: list[str]) -> None:
    """Type a line and check how it ends."""
    with stopped_after(SECONDS):
        done = typed_here([*name.split(), *typed, "--workspace", "workspace"])
    assert done.exit_code in DOCUMENTED, (name, typed, done.exit_code, done.stderr[-2000:])
    assert "Traceback" not in done.stderr + done.stdout
    assert "this is a bug" not in done.stderr
    if done.exit_code:
        assert done.stderr.strip(), (name, typed)


@pytest.fixture(scope="module")
def place(finished: Path, csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to type in, with a workspace and a source."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(finished, folder / "workspace")
    shutil.copy(csv, folder)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


FUZZ = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@sampled("name", list(COMMANDS), quick=[name for name in COMMANDS if name not in LONGER])
@pytest.mark.parametrize("examples", [3, pytest.param(150, marks=pytest.mark.slow)])
def test_whatever_is_typed(place: Path, name: str, examples: int) -> None:
    @settings(max_examples=examples, derandomize=True, **FUZZ)
    @given(lines(COMMANDS[name]))
    def fuzz(typed: list[str]) -> None:
        require_documented_end(name, typed)

    fuzz()
