"""Every exit code a user can reach, with one line that says why and one that says what to type."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import typer

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.cli import app
from adrec_cli.cli import datasets as datasets_command
from adrec_cli.cli.failures import report_failures, report_usage
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.errors import AdrecError, ArtifactError, InterruptedRun, StorageError
from tests.cli.conftest import TINY, Adrec, Process, environment
from tests.conftest import write_interactions
from tests.robustness.processes import typed_here


def message(stderr: str) -> list[str]:
    """Return the lines of an error, which must be the last on stderr."""
    lines = stderr.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    return lines[first:]


@pytest.mark.parametrize(
    ("arguments", "code", "what", "hint"),
    [
        (["pretrain", "shop", "--set", "model.hiden_size=8"], 2, "hiden_size", "hidden_size"),
        (["pretrain", "shop", "--set", "nonsense"], 2, "TABLE.KEY=VALUE", "--set stages"),
        (["recommend", "--user", "u00", "-k", "0"], 2, "-k", ""),
        (["recommend"], 2, "nobody", "--history"),
        (["recommend", "--history", 'i00,"i01'], 2, "--history", "for example"),
        (["evaluate", "finetune", "--negatives", "-3"], 2, "-3", "99"),
        (["recommend", "--user", "nobody"], 3, "nobody", "--history"),
        (["recommend", "--history", "x,y"], 3, "none of the 2 items", "i00"),
        (["preprocess", "missing.csv"], 3, "missing.csv", "adrec datasets"),
        (["evaluate", "nothing"], 4, "nothing.safetensors", "adrec/finetune.safetensors"),
        (["pretrain", "missing"], 4, "missing", "adrec preprocess missing"),
        (["align", "--from", "finetune"], 4, "finetune", "--from pretrain.safetensors"),
        (["pretrain", "shop", "--resume", "--epochs", "7"], 4, "nothing to resume", "--resume"),
    ],
)
def test_errors_say_what_and_what_to_type(
    adrec: Adrec, shop: Path, arguments: list[str], code: int, what: str, hint: str
) -> None:
    done = adrec(*arguments, "--workspace", shop, "--json")
    assert done.exit_code == code, done.stderr
    lines = message(done.stderr)
    assert what in lines[0]
    assert len(lines) <= 2
    assert hint in (lines[1] if len(lines) == 2 else "")
    assert done.stdout == ""


def test_locked(adrec: Adrec, shop: Path) -> None:
    with exclusive(shop / "shop" / "adrec", "train shop"):
        done = adrec("train", "shop", "--workspace", shop, *TINY)
    assert done.exit_code == 5
    assert "`adrec train shop`" in message(done.stderr)[0]


def test_an_ambiguous_name_lists_its_candidates(adrec: Adrec, shop: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in ("one", "two"):
        shutil.copytree(shop / "shop", workspace / name)
    done = adrec("evaluate", "finetune", "--workspace", workspace)
    assert done.exit_code == 2
    what, hint = message(done.stderr)
    assert "one/adrec/finetune.safetensors" in what
    assert "two/adrec/finetune.safetensors" in what
    assert "--dataset" in hint
    assert adrec("evaluate", "finetune", "--workspace", workspace, "--dataset", "one").exit_code == 0


def test_a_worse_model_is_not_promoted(adrec: Adrec, shop: Path, csv: Path, tmp_path: Path) -> None:
    flags = ["run", csv, "--workspace", tmp_path, "--quiet", *TINY]
    assert adrec(*flags, "--epochs", 2).exit_code == 0
    # Item vectors that hardly move from where they were drawn cannot have learned anything.
    worse = adrec(*flags, "--epochs", 1, "--learning-rate", 1e-9, "--tolerance", -1)
    assert worse.exit_code == 8
    assert "stays" in message(worse.stderr)[0]
    assert worse.stdout == ""


def test_what_nobody_foresaw_is_one_line(adrec: Adrec, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object) -> None:
        raise ValueError("first\nsecond")

    monkeypatch.setattr(datasets_command, "Workspace", surprise)
    done = adrec("datasets")
    assert done.exit_code == 1
    assert message(done.stderr) == [
        "error: ValueError: first", "hint: this is a bug; run again with --debug and report what it says"
    ]  # fmt: skip
    assert "Traceback" in adrec("datasets", "--debug").stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("CUDA error: out of memory"), 1, "error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "error: out of memory"),
        (RuntimeError("NCCL error\nLast error:\nFailed to CUDA calloc async 608 bytes"), 1, "error: out of memory"),
        (OSError(28, "No space left on device", "/somewhere"), 7, "/somewhere: No space left"),
    ],
)
def test_what_comes_from_outside(
    adrec: Adrec, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, text: str
) -> None:
    def surprise(*_: object) -> None:
        raise error

    monkeypatch.setattr(datasets_command, "Workspace", surprise)
    done = adrec("datasets")
    assert done.exit_code == code
    assert text in message(done.stderr)[0]


@pytest.mark.parametrize("kind", [ArtifactError, StorageError])
@pytest.mark.parametrize(
    ("cause", "code", "text"),
    [
        (pa.lib.ArrowMemoryError("malloc of size 64 failed"), 1, "error: out of memory"),
        (OSError(12, "Cannot allocate memory"), 1, "error: out of memory"),
        (
            pa.lib.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
            7, "error: the system allows no more threads",
        ),
        (pa.lib.ArrowInvalid("Parquet magic bytes not found"), None, "error: x.parquet is damaged"),
        (BlockingIOError(11, "Resource temporarily unavailable"), None, "error: x.parquet is damaged"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_for_want_of_memory_or_threads_is_not_damaged(
    adrec: Adrec, monkeypatch: pytest.MonkeyPatch, kind: type[AdrecError], cause: Exception, code: int, text: str
) -> None:
    def read(*_: object) -> None:
        raise kind("x.parquet is damaged", hint="make it again") from cause

    monkeypatch.setattr(datasets_command, "Workspace", read)
    done = adrec("datasets")
    assert done.exit_code == (code or kind.exit_code)
    assert text in message(done.stderr)[0]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("error", "code", "from_all"),
    [
        (ArtifactError("what all of them met", hint="type it again"), 4, False),
        (ValueError("what one of them met"), 1, True),
        (OSError(28, "No space left on device"), 7, True),
        (typer.BadParameter("what all of them were given"), 2, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_several_processes_one_says_what_all_of_them_met(
    monkeypatch: pytest.MonkeyPatch, capsys, rank: int, error: Exception, code: int, from_all: bool
) -> None:
    launched = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1"}
    for name, value in launched.items():
        monkeypatch.setenv(name, str(value))
    if isinstance(error, typer.BadParameter):
        assert report_usage(error) == code
    else:
        with pytest.raises(typer.Exit) as exit_, report_failures(Terminal(), debug=False):
            raise error
        assert exit_.value.exit_code == code
    assert ("error: " in capsys.readouterr().err) == (rank == 0 or from_all)


def test_wrong_usage_looks_like_any_other_error(process: Process) -> None:
    done = process("pretrain", "--nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("error: No such option")
    assert done.stderr.splitlines()[1] == "hint: see: adrec pretrain --help"
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("finetune shop", "a data set is named with: --dataset shop"),
        ("recommend --user u00 shop", "a data set is named with: --dataset shop"),
        ("recommend --user u00 a&b", "a data set is named with: --dataset 'a&b'"),
        ("finetune --dataset shop other", "see: adrec finetune --help"),
        ("finetune shop other", "see: adrec finetune --help"),
        ("status shop", "see: adrec status --help"),
    ],
)
def test_an_argument_too_many_may_be_a_data_set(line: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app._exit_code(line.split()) == 2
    assert message(capsys.readouterr().err)[1:] == [f"hint: {hint}"]


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "adrec_cli", "datasets"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=60)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_what_was_asked_to_stop_is_no_error(
    adrec: Adrec, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def stop(*_: object) -> None:
        raise InterruptedRun("pretrain stopped in epoch 3 and saved", signal_number=number)

    monkeypatch.setattr(datasets_command, "Workspace", stop)
    done = adrec("datasets", "--quiet")
    assert done.exit_code == code
    first, second = done.stderr.splitlines()
    assert first == "pretrain stopped in epoch 3 and saved"
    assert second == "hint: nothing is left half-written; run the same command again"
    told = json.loads(adrec("datasets", "--log-format", "json").stderr)
    assert (told["level"], told["message"]) == ("info", first)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--set", "moddel.hidden_size=8"],
        ["--set", "model.hidden_size=-1"],
        ["--preset", "none"],
        ["--model", "adrek"],
    ],
)
def test_a_configuration_that_cannot_be_used_stops_before_data_are_read(
    adrec: Adrec, tmp_path: Path, wrong: list[str]
) -> None:
    ended = adrec("run", "demo", *wrong, "--workspace", str(tmp_path / "w"))
    assert ended.exit_code == 2, ended.stderr
    assert "preprocess" not in ended.stderr
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(("code", "expected"), [(0, 7), (3, 3), (130, 130)])
def test_a_stdout_that_is_full_at_the_end_is_told_by_the_code_unless_there_is_another(
    code: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(app, "_exit_code", lambda arguments: code)
    for name in ("prepare_streams", "discard_output"):
        monkeypatch.setattr(app, name, lambda: None)
    monkeypatch.setattr(sys.stdout, "flush", refuse)
    with pytest.raises(SystemExit) as ended:
        app.main([])
    monkeypatch.undo()
    assert ended.value.code == expected


@pytest.mark.parametrize("option", ["file", "folder", "workspace"])
def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path, option: str) -> None:
    """Whoever types it did nothing that is a bug, wherever the name goes."""
    odd = tmp_path / os.fsdecode(b"sh\xffop")
    odd.mkdir()
    for path in (tmp_path / "shop.csv", odd / "shop.csv", odd.with_suffix(".csv")):
        write_interactions(path, users=20)
    line: list[object] = {
        "file": ["preprocess", odd.with_suffix(".csv"), "--name", "shop", "--workspace", tmp_path / "w"],
        "folder": ["preprocess", odd / "shop.csv", "--workspace", tmp_path / "w"],
        "workspace": ["preprocess", tmp_path / "shop.csv", "--workspace", odd],
    }[option]
    ended = typed_here(line)
    assert ended.exit_code in (2, 3), ended.stderr
    assert "not UTF-8" in ended.stderr
    assert r"sh\udcffop" in ended.stderr


@pytest.mark.parametrize("asked", [["--log-format", "json"], ["--log-format=json"]], ids=len)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "wrong", [["run", "shop", "--nonsense"], ["run", "shop", "--epochs", "x"], ["run"], ["nosuch"], ["run", "a", "b"]],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_parsed_is_told_as_json_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wrong: list[str], first: bool, asked: list[str]
) -> None:
    monkeypatch.setattr(app, "prepare_streams", lambda: None)
    typed = [wrong[0], *asked, *wrong[1:]] if first else [*wrong, *asked]
    with pytest.raises(SystemExit) as ended:
        app.main(typed)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line).keys() == {"time", "level", "message", "hint"}


@pytest.mark.parametrize("more", [[], ["--log-format"], ["--log-format", "text"], ["--", "--log-format", "json"]])
def test_what_cannot_be_parsed_is_told_as_text_unless_json_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr(app, "prepare_streams", lambda: None)
    with pytest.raises(SystemExit):
        app.main(["run", "a", "b", *more])
    assert capsys.readouterr().err.startswith("error: ")
