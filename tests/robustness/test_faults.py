"""Every I/O call failing once, full disks, places that cannot be written: one line, exit 7, nothing damaged."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import adrec_cli
from adrec_cli.artifacts.provenance import code_sha256
from tests.conftest import write_interactions
from tests.robustness.disks import mounted
from tests.robustness.faults import refusing
from tests.robustness.processes import TINY, artifacts, typed, typed_here
from tests.tiers import sampled

NUMBERS = (errno.ENOSPC, errno.EIO, errno.EACCES)
ONE_EPOCH = [*TINY, "--epochs", "1", "--seed", "9"]


@pytest.fixture(scope="module")
def changed(tmp_path_factory) -> Path:
    """A newer version of the source."""
    path = tmp_path_factory.mktemp("changed") / "shop.csv"
    write_interactions(path, users=45, items=15, seed=3)
    return path


def command(name: str, changed: Path, workspace: Path) -> list[object]:
    lines = {
        "preprocess": ["preprocess", changed],
        "pretrain": ["pretrain", "shop", *ONE_EPOCH],
        "run": ["run", changed, *ONE_EPOCH, "--tolerance", "1"],
    }
    return [*lines[name], "--workspace", workspace]


def require_whole_after_every_failure(
    name: str, finished: Path, changed: Path, tmp_path: Path, numbers: tuple[int, ...], every: int = 1
) -> int:
    """Let each call of a command fail in turn, or some; return how many failed.

    A failure that harms nothing, such as of removing a temporary, may pass: then the result must be the right one.
    """
    whole = tmp_path / "whole"
    shutil.copytree(finished, whole)
    assert typed_here(command(name, changed, whole)).exit_code == 0
    expected = artifacts(whole)
    nth, failed = 1, 0
    while True:
        for number in numbers if len(numbers) == 1 else [numbers[nth // every % len(numbers)]]:
            workspace = tmp_path / "workspace"
            shutil.rmtree(workspace, ignore_errors=True)
            shutil.copytree(finished, workspace)
            with refusing(workspace, nth, number) as call:
                done = typed_here(command(name, changed, workspace))
            if not call.refused:
                return failed
            failed += 1
            where = f"{call.refused} number {nth} with {errno.errorcode[number]}"
            if done.exit_code:
                assert "Traceback" not in done.stderr, where
                done.require_one_error(7)
            served = typed_here(["recommend", "--user", "u1", "--workspace", workspace])
            assert served.exit_code == 0, (where, served.stderr)
            if done.exit_code:
                again = typed_here(command(name, changed, workspace))
                assert again.exit_code == 0, (where, again.stderr)
            assert artifacts(workspace) == expected, where
        nth += every


@sampled("name,every", [("preprocess", 8), ("preprocess", 3), ("pretrain", 3)], quick=[("preprocess", 8)])
def test_every_few_calls_one_fails_once(name, every, finished, changed, tmp_path):
    assert require_whole_after_every_failure(name, finished, changed, tmp_path, NUMBERS, every=every) >= 24 // every


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["preprocess", "pretrain", "run"])
def test_every_call_fails_in_every_way(name, finished, changed, tmp_path, number):
    assert require_whole_after_every_failure(name, finished, changed, tmp_path, (number,)) >= 25


@contextlib.contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let every write beyond a number of bytes of a file fail, native ones too."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("size", [0, 1, 4, 700, 1500, 2000])
@pytest.mark.parametrize("name", ["preprocess", "run"])
def test_a_file_that_may_not_grow_also_when_written_by_native_code(finished, changed, tmp_path, size, name):
    workspace = tmp_path / "workspace"
    shutil.copytree(finished, workspace)
    before = artifacts(workspace)
    with files_limited_to(size):
        done = typed_here(command(name, changed, workspace))
    assert "larger than the system allows" in done.require_one_error(7)
    assert artifacts(workspace) == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB."""
    with mounted(tmp_path / "disk", "100k") as place:
        yield place


def fill(path: Path) -> None:
    """Write until there is no room left."""
    try:
        with open(path, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1000))
    except OSError as error:
        assert error.errno == errno.ENOSPC


def test_a_full_disk(small_disk, csv):
    workspace = small_disk / "workspace"
    assert typed_here(["preprocess", csv, "--workspace", workspace]).exit_code == 0
    before = artifacts(workspace)
    filling = small_disk / "filling"
    fill(filling)
    message = typed_here(["preprocess", csv, "--workspace", workspace, "--max-length", 4]).require_one_error(7)
    assert "no space left on the device" in message
    assert "no space left" in typed_here(["pretrain", "shop", "--workspace", workspace, *TINY]).require_one_error(7)
    assert {name: content for name, content in artifacts(workspace).items() if name in before} == before
    filling.unlink()
    assert typed_here(["preprocess", csv, "--workspace", workspace, "--max-length", 4]).exit_code == 0


@pytest.mark.parametrize("place", ["file", "file/below", "link", "workspace/shop"])
def test_a_file_where_a_folder_should_be(csv, tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at" / "all")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "shop").write_text("")
    workspace = tmp_path / place
    if place == "workspace/shop":
        workspace = workspace.parent
    message = typed_here(["preprocess", csv, "--workspace", workspace])
    if place == "link":
        assert message.exit_code in (0, 7)
        assert "Traceback" not in message.stderr
        return
    assert str(tmp_path) in message.require_one_error(7)


def become_somebody_else() -> None:
    """Give up root's rights, with all imported that may lie where only root can read."""
    importlib.import_module("importlib.readers")
    code_sha256()
    os.setgid(65534)
    os.setuid(65534)


def test_another_user_reads_but_does_not_write(workspace, changed, tmp_path):
    if os.getuid():
        pytest.skip("only root can become somebody else")
    for code in (Path(adrec_cli.__file__), Path(typer.__file__)):
        if not all(folder.stat().st_mode & stat.S_IXOTH for folder in code.parents):
            pytest.skip(f"somebody else cannot read the code in {code.parent}")
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp") and len(folder.parts) > 2:
            folder.chmod(0o755)
    csv = shutil.copy(changed, tmp_path)
    before = artifacts(workspace)
    streams = tmp_path / "streams"
    streams.mkdir()
    streams.chmod(0o777)
    served = typed(["recommend", "--user", "u1", "--workspace", workspace], streams, become_somebody_else)
    assert served.exit_code == 0, served.stderr
    for line in (
        ["pretrain", "shop", *TINY, "--force"],
        ["preprocess", csv, "--max-length", 4],
        ["evaluate", "finetune"],
    ):
        refused = typed([*line, "--workspace", workspace], streams, become_somebody_else)
        assert "permission denied" in refused.require_one_error(7)
    assert artifacts(workspace) == before


def test_a_parent_that_is_missing_is_made(csv, tmp_path):
    assert typed_here(["preprocess", csv, "--workspace", tmp_path / "a/b/c"]).exit_code == 0
