"""Two nights at once: one finds the lock taken and has changed nothing; a training keeps the data it began with."""

from __future__ import annotations

import functools
import json
import time
from pathlib import Path

import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint
from adrec_cli.artifacts.lock import LockAwaited, Waiting, exclusive
from adrec_cli.cli.command import fill_bare_values
from adrec_cli.errors import LockedError
from tests.robustness.held_locks import HeldLocks
from tests.robustness.processes import TINY, Running, artifacts
from tests.robustness.shop import NIGHT, Shop, events_of, write_events
from tests.tiers import sampled


def training_waits_for(path: Path) -> None:
    """Let a training stop after its first epoch until a file is there."""
    from adrec_cli.experiments.stage_files import StageFiles

    real = StageFiles.log

    def log(self, event):
        real(self, event)
        while not path.exists():
            time.sleep(0.02)

    StageFiles.log = log


class Training:
    """A command whose training has begun, and ends when it is asked to."""

    def __init__(self, shop: Shop, *arguments: object) -> None:
        self._go = shop.folder / "go"
        line = [*arguments, *TINY, "--workspace", shop.workspace]
        self.running = Running(line, shop.folder, functools.partial(training_waits_for, self._go))
        deadline = time.monotonic() + 60
        while not (shop.dataset / "adrec/pretrain.jsonl").exists():
            assert self.running.process.is_alive(), self.running.stderr
            assert time.monotonic() < deadline, self.running.stderr
            time.sleep(0.02)

    def require_end(self) -> None:
        self._go.touch()
        ended = self.running.ended()
        assert ended.exit_code == 0, ended.stderr


@pytest.fixture
def shop(tmp_path):
    """A shop with a first data set."""
    shop = Shop(tmp_path)
    shop.makes()
    return shop


def data_set(shop):
    return {name: value for name, value in artifacts(shop.dataset).items() if not name.startswith("adrec/")}


def test_the_second_night_changes_nothing_and_the_first_is_promoted(shop, tmp_path):
    """Fails where the data set is changed before the model's lock is asked for."""
    days = [write_events(tmp_path / f"day{day}.csv", events_of(range(20, 60), day)) for day in (1, 2)]
    first = Training(shop, "run", days[0], "--tolerance", "1", "--update", "shop")
    before = data_set(shop)
    for line in (["run", days[1], *NIGHT], ["preprocess", days[1], "--quiet"]):
        said = shop.types(*line, "--update", "shop").require_one_error(5)
        assert f"process {first.running.process.pid}" in said
    assert shop.types("rollback", "shop", "--data").exit_code == 5
    assert data_set(shop) == before
    first.require_end()
    assert shop.types("run", days[1], *NIGHT, "--update", "shop").exit_code == 0
    assert len(shop.holds()) == 3 * 160


def test_a_training_goes_on_with_the_data_it_began_with(shop, tmp_path):
    """`train` holds the lock of its model only; the data set is updated under it."""
    day = write_events(tmp_path / "day1.csv", events_of(range(20, 60), 1))
    began = shop.manifest()["sequences_sha256"]
    training = Training(shop, "train", "shop")
    assert shop.types("preprocess", day, "--update", "shop").exit_code == 0
    training.require_end()
    _, said = load_checkpoint(shop.dataset / "adrec/finetune.safetensors")
    assert said.sequences_sha256 == began != shop.manifest()["sequences_sha256"]


def test_a_night_that_waits_says_for_whom_and_then_works(shop, tmp_path):
    day = write_events(tmp_path / "day1.csv", events_of(range(20, 60), 1))
    first = Training(shop, "pretrain", "shop")
    line = ["run", day, *TINY, "--tolerance", 1, "--update", "shop", "--wait", "--workspace", shop.workspace]
    second = Running(line, tmp_path, int)
    second.until("waiting for `adrec pretrain shop` (process")
    first.require_end()
    assert second.ended().exit_code == 0
    assert len(shop.holds()) == 2 * 160


STAGES = [["train", "shop"], ["pretrain", "shop"], ["align"], ["finetune"]]


@sampled("line", {line[0]: line for line in STAGES}, quick=["train", "align"])
def test_a_training_that_waits_says_for_whom_and_then_works(shop, tmp_path, line):
    for before in STAGES[1 : STAGES.index(line)]:
        assert shop.types(*before, *TINY).exit_code == 0
    with exclusive(shop.dataset / "adrec", "run shop"):
        told = shop.types(*line, *TINY, "--wait", "0.1").require_one_error(5)
        assert "is in use by `adrec run shop`" in told
        assert "waited 0.1 seconds" in told
        waiting = Running([*line, *TINY, "--wait", "--workspace", shop.workspace], tmp_path, int)
        waiting.until("waiting for `adrec run shop` (process")
    assert waiting.ended().exit_code == 0


def test_waiting_has_an_end(tmp_path):
    told = []
    with (
        exclusive(tmp_path, "train shop"),
        pytest.raises(LockedError, match=r"waited 0\.3 seconds$"),
        exclusive(tmp_path, "run", Waiting(seconds=0.3, on_event=told.append)),
    ):
        pass
    assert [type(event) for event in told] == [LockAwaited]
    assert "`adrec train shop`" in told[0].holder


SEVERAL_LOCKS = {
    "run": ["run", "shop", *NIGHT],
    "push": ["push", "shop", "PLACE"],
    "pull": ["pull", "PLACE", "shop", "--force"],
    "forget": ["forget", "shop", "--user", "u1"],
    "rollback": ["rollback", "shop", "--data"],
}


@sampled("line", SEVERAL_LOCKS, quick=["run", "push", "forget"])
def test_a_command_waits_for_all_its_locks_together_no_longer_than_it_may(shop, line):
    """Others hold each lock for three seconds, and the command needs two at least."""
    assert shop.types("pretrain", "shop", *TINY).exit_code == 0
    if line[0] == "pull":
        assert shop.types("push", "shop", shop.folder / "place").exit_code == 0
    if line[0] == "rollback":
        write_events(shop.folder / "shop.csv", events_of(range(40), 1))
        assert shop.types("preprocess", shop.folder / "shop.csv", "--name", "shop", "--force").exit_code == 0
    line = [shop.folder / "place" if word == "PLACE" else word for word in line]
    before, few, many = artifacts(shop.workspace), HeldLocks(3.0), HeldLocks(3.0)
    with few.patched():
        told = shop.types(*line, "--wait", "4").require_one_error(5)
    assert "waited 4 seconds" in told
    assert few.now == pytest.approx(104)
    assert artifacts(shop.workspace) == before
    with many.patched():
        assert shop.types(*line, "--wait", "60").exit_code == 0
    assert many.now > 105


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["--wait"], ["--wait=inf"]),
        (["--wait", "3"], ["--wait", "3"]),
        (["--wait", "--quiet"], ["--wait=inf", "--quiet"]),
        (["--wait=2", "shop"], ["--wait=2", "shop"]),
    ],
)
def test_seconds_may_be_left_out(typed, read):
    assert fill_bare_values(typed) == read


def test_a_file_that_changes_while_it_is_read_is_not_taken(shop, tmp_path, monkeypatch):
    from adrec_cli.engines import making

    day = write_events(tmp_path / "day1.csv", events_of(range(20, 60), 1))
    before = artifacts(shop.dataset)
    real = making.read_source

    def grows(plan, scratch, read):
        content = real(plan, scratch, read)
        with open(day, "a") as file:
            file.write("u1,i1,1700000000\n")
        return content

    monkeypatch.setattr(making, "read_source", grows)
    assert "changed while it was read" in shop.types("preprocess", day, "--update", "shop").require_one_error(3)
    assert artifacts(shop.dataset) == before
    assert json.loads((shop.dataset / "manifest.json").read_text())["generation"] == 1
