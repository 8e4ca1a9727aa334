"""Hostile surroundings: masks, links, other file systems, little memory, names that are none, and no plain files."""

from __future__ import annotations

import functools
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.disks import mounted
from tests.robustness.processes import TINY, artifacts, typed, typed_here
from tests.tiers import sampled


def test_a_strict_umask(csv, finished, tmp_path):
    """Nobody else may read what is written, and all is as ever."""
    ended = typed(["run", csv, *TINY, "--workspace", tmp_path / "w"], tmp_path, functools.partial(os.umask, 0o077))
    assert ended.exit_code == 0, ended.stderr
    assert artifacts(tmp_path / "w") == artifacts(finished)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "w").rglob("*")}
    assert modes == {0}


def test_a_workspace_behind_links(workspace, csv, finished, tmp_path):
    (tmp_path / "link").symlink_to(workspace)
    (workspace / "shop").rename(tmp_path / "elsewhere")
    (workspace / "shop").symlink_to(tmp_path / "elsewhere")
    done = typed_here(["run", csv, *TINY, "--workspace", tmp_path / "link"])
    assert done.exit_code == 0, done.stderr
    done = typed_here(["evaluate", "finetune", "--workspace", tmp_path / "link"])
    assert done.exit_code == 0, done.stderr
    assert typed_here(["verify", "--workspace", tmp_path / "link"]).exit_code == 0
    assert (workspace / "shop").is_symlink()
    assert typed_here(["clean", "--yes", "--workspace", tmp_path / "link"]).exit_code == 0
    found = {name.removeprefix("elsewhere/"): content for name, content in artifacts(tmp_path / "elsewhere").items()}
    assert {f"shop/{name}": content for name, content in found.items()} == artifacts(finished)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    with mounted(tmp_path / "disk", "20m") as place:
        yield place


def test_another_file_system_and_one_that_is_read_only(other_disk, finished, csv, tmp_path):
    workspace = other_disk / "workspace"
    done = typed_here(["run", csv, *TINY, "--workspace", workspace])
    assert done.exit_code == 0, done.stderr
    assert artifacts(workspace) == artifacts(finished)
    out = tmp_path / "recs.csv"
    subprocess.run(["mount", "-o", "remount,ro", str(other_disk)], check=True)
    assert typed_here(["recommend", "--all", "--out", out, "--workspace", workspace]).exit_code == 0
    assert typed_here(["verify", "--workspace", workspace]).exit_code == 0
    for line in (["evaluate", "finetune"], ["pretrain", "shop", *TINY, "--seed", 2], ["preprocess", csv, "--force"]):
        message = typed_here([*line, "--workspace", workspace]).require_one_error(7)
        assert "the file system is read-only" in message
    subprocess.run(["mount", "-o", "remount,rw", str(other_disk)], check=True)
    assert artifacts(workspace) == artifacts(finished)


def little_memory() -> None:
    """Leave 1 GB to allocate, a part of which the stacks of threads and their arenas take."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 1_000 * 2**20,) * 2)


def test_exhausted_memory_is_told(workspace, finished, tmp_path):
    line = ["pretrain", "shop", "--set", "model.hidden_size=4096", "--epochs", "1", "--workspace", workspace]
    ended = typed(line, tmp_path, little_memory)
    assert ended.exit_code == 1
    assert "error: out of memory" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert artifacts(workspace) == artifacts(finished)


NAMES = [
    "x" * 10_000,
    "a\nb",
    "..",
    ".",
    "../shop",
    "/etc",
    "shop/",
    "",
    " ",
    "-",
    "a/b",
    "con\tsole",
    "~",
    "*",
    "\udcff",
]


@sampled("name", {ascii(name)[:20]: name for name in NAMES}, quick=[ascii(name)[:20] for name in NAMES[::3]])
def test_names_that_are_none(workspace, csv, tmp_path, name):
    before = artifacts(workspace)
    lines = (
        ["recommend", "--user", "u1", f"--dataset={name}"],
        ["evaluate", "finetune", f"--dataset={name}"],
        ["preprocess", csv, f"--name={name}"],
        ["preprocess", csv, f"--update={name}", "--dry-run"],
        ["pretrain", "--", name],
        ["evaluate", "--", name],
        ["rollback", "--", name],
        ["sweep", "shop", "--vary", "lambda=0.1", f"--name={name}", *TINY],
    )
    for line in lines:
        fixed = ["--workspace", workspace]
        place = line.index("--") if "--" in line else len(line)
        done = typed_here([*line[:place], *fixed, *line[place:]])
        assert done.exit_code in (0, 2, 3, 4, 7), (line[:2], done.exit_code, done.stderr[-500:])
        assert "Traceback" not in done.stderr
        assert len(done.stderr) < 3000 or not done.exit_code
    after = {key: content for key, content in artifacts(workspace).items() if key in before}
    assert after == before
    assert not [path for path in tmp_path.iterdir() if path != workspace]


def test_no_file_takes_the_place_of_a_pipe(workspace, tmp_path):
    pipe = tmp_path / "recs.csv"
    os.mkfifo(pipe)
    message = typed_here(["recommend", "--all", "--out", pipe, "--workspace", workspace]).require_one_error(7)
    assert "it is a device or a pipe" in message
    assert pipe.is_fifo()


def test_a_log_that_cannot_be_written(workspace, tmp_path):
    """The disk is full for the log of epochs alone."""
    log = workspace / "shop/adrec/pretrain.jsonl"
    log.unlink()
    log.mkdir()
    (log / "full").touch()
    message = typed_here(["pretrain", "shop", *TINY, "--seed", 2, "--workspace", workspace]).require_one_error(7)
    assert str(log) in message
    shutil.rmtree(log)
    assert typed_here(["pretrain", "shop", *TINY, "--seed", 2, "--workspace", workspace]).exit_code == 0


@sampled("command", ["verify", "status"], quick=["status"])
def test_no_environment_at_all(workspace, command):
    done = subprocess.run(
        [sys.executable, "-m", "adrec_cli", command, "--workspace", str(workspace)],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
