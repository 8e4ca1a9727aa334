"""Two at once: one works, one is asked to wait; readers see the old until the new is whole."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from adrec_cli.artifacts import dataset as dataset_files
from adrec_cli.artifacts.lock import exclusive
from adrec_cli.errors import LockedError
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.preprocess import preprocess
from tests.conftest import write_interactions
from tests.robustness.processes import TINY, Running, artifacts, typed_here
from tests.tiers import sampled

LONG = [*TINY, "--epochs", "5000", "--patience", "0"]


@sampled(
    "second",
    [["pretrain", "shop", *TINY], ["train", "shop", *TINY], ["run", "SOURCE", *TINY]],
    quick=[["run", "SOURCE", *TINY]],
)
def test_the_second_is_told_who_works(workspace, csv, tmp_path, second):
    first = Running(["pretrain", "shop", *LONG, "--workspace", workspace], tmp_path, int)
    first.until("pretrain    2/5000")
    line = [csv if word == "SOURCE" else word for word in second]
    message = typed_here([*line, "--seed", 5, "--workspace", workspace]).require_one_error(5)
    assert f"`adrec pretrain shop` (process {first.process.pid}" in message
    served = typed_here(["recommend", "--user", "u1", "--workspace", workspace])
    assert served.exit_code == 0
    first.send(15)
    assert first.ended().exit_code == 143


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.005)


def stop_before(name: str, nth: int, folder: Path) -> None:
    """Let a writer say that it stands before the n-th time of a step of its commit, and wait until it may go on."""
    real, times = getattr(dataset_files, name), itertools.count(1)

    def held(*args):
        if next(times) == nth:
            (folder / "stands").touch()
            wait_for(folder / "go on")
        return real(*args)

    setattr(dataset_files, name, held)


def test_preprocessing_the_same_twice(workspace, csv, tmp_path):
    line = ["preprocess", csv, "--max-length", 5, "--workspace", workspace]
    first = Running(line, tmp_path, functools.partial(stop_before, "write_manifest", 1, tmp_path))
    wait_for(tmp_path / "stands")
    assert "adrec preprocess" in typed_here([*line, "--force"]).require_one_error(5)
    (tmp_path / "go on").touch()
    assert first.ended().exit_code == 0


# What a killed writer may have left is settled first.
@pytest.mark.parametrize(("step", "nth"), [("write_manifest", 1), ("_settle", 2)])
def test_a_reader_during_a_write_sees_the_old_or_the_new(workspace, csv, tmp_path, step, nth):
    """A writer stands before and behind the moment of change; what is read is whole all the time."""

    def read() -> str:
        dataset = open_dataset(workspace / "shop")
        assert len(dataset.sequences.items) == dataset.manifest.statistics["interactions"]
        return dataset.manifest.sequences_sha256

    old = read()
    line = ["preprocess", csv, "--max-length", 5, "--workspace", workspace]
    writer = Running(line, tmp_path, functools.partial(stop_before, step, nth, tmp_path))
    seen = set()
    while not (tmp_path / "stands").exists():
        assert writer.process.is_alive(), writer.stderr
        seen.add(read())
    assert (read() == old) == (step == "write_manifest")
    (tmp_path / "go on").touch()
    while writer.process.is_alive():
        seen.add(read())
    assert writer.ended().exit_code == 0
    assert seen <= {old, read()}
    assert read() != old


def test_readers_while_data_sets_change_again_and_again(workspace, csv, tmp_path):
    other = tmp_path / "other" / "shop.csv"
    other.parent.mkdir()
    write_interactions(other, users=60, items=15, seed=2)
    folder = workspace / "shop"
    ended = threading.Event()

    def change() -> None:
        try:
            for number in range(6):
                preprocess(str((other, csv)[number % 2]), workspace=workspace)
        finally:
            ended.set()

    writing = threading.Thread(target=change)
    writing.start()
    users = set()
    while not ended.is_set():
        dataset = open_dataset(folder)
        assert dataset.sequences.users == dataset.manifest.statistics["users"]
        users.add(dataset.sequences.users)
    writing.join()
    assert users <= {40, 60}


def test_data_sets_do_not_disturb_each_other(workspace, csv, tmp_path):
    shutil.copy(csv, tmp_path / "second.csv")
    first = Running(["pretrain", "shop", *LONG, "--workspace", workspace], tmp_path, int)
    first.until("pretrain    2/5000")
    assert typed_here(["run", tmp_path / "second.csv", *TINY, "--workspace", workspace]).exit_code == 0
    first.send(15)
    assert first.ended().exit_code == 143
    shop = {name: content for name, content in artifacts(workspace).items() if name.startswith("shop/")}
    second = {name: content for name, content in artifacts(workspace).items() if name.startswith("second/")}
    assert shop["shop/sequences.parquet"] == second["second/sequences.parquet"]
    assert shop["shop/adrec/align.safetensors"] != b""


def test_a_lock_of_a_dead_process_does_not_block(tmp_path):
    def hold_and_die() -> None:
        with exclusive(tmp_path, "run"):
            os._exit(0)

    child = os.fork()
    if child == 0:
        hold_and_die()
    os.waitpid(child, 0)
    assert (tmp_path / ".lock.holder.json").exists()
    with exclusive(tmp_path, "run"):
        pass


def test_a_folder_made_only_for_its_lock_goes_again(tmp_path):
    with exclusive(tmp_path / "new", "run"):
        pass
    assert not (tmp_path / "new").exists()
    with contextlib.suppress(RuntimeError), exclusive(tmp_path / "used", "run"):
        (tmp_path / "used" / "file").touch()
        with pytest.raises(LockedError), exclusive(tmp_path / "used", "run"):
            pass
    assert (tmp_path / "used" / "file").exists()
