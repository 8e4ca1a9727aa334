"""SIGKILL at any moment: every artifact is the old or the new one, and the next run ends with the same bytes."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.artifacts.checkpoint import load_checkpoint, save_state
from adrec_cli.pipeline import recommend_batch
from tests.conftest import write_interactions
from tests.robustness.processes import TINY, Ended, Running, artifacts, save_state_every_step, typed, typed_here

COMMANDS = {
    "preprocess": ["preprocess", "SOURCE"],
    "pretrain": ["pretrain", "shop", *TINY],
    "align": ["align", "--from", "pretrain", "--epochs", "2", "--threads", "1"],
    "finetune": ["finetune", "--from", "align", "--epochs", "2", "--threads", "1"],
    "recommend": ["recommend", "--all", "-k", "5", "--out", "OUT", "--threads", "1"],
    "run": ["run", "SOURCE", *TINY, "--tolerance", "1"],
}
ORDER = list(COMMANDS)


def small_steps() -> None:
    """Let a killed command have something to go on from: an epoch's state, and ten users' recommendations."""
    save_state_every_step()
    recommend_batch.CHUNK_USERS = 10


def killed_before_write(nth: int | None, count: Path | None = None) -> None:
    """Let the process kill itself before its n-th change of the file system, or, for None, count them in a file."""
    small_steps()
    made = 0
    counting = None if count is None else os.open(count, os.O_CREAT | os.O_WRONLY)

    def counted(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            nonlocal made
            made += 1
            if nth is not None and made > nth:
                os.kill(os.getpid(), signal.SIGKILL)
            if counting is not None:
                os.write(counting, b".")
            return function(*args, **kwargs)

        return call

    for name in ("replace", "fsync", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Work in this process in the same parts as the killed ones."""
    monkeypatch.setattr(recommend_batch, "CHUNK_USERS", 10)


@dataclass(frozen=True)
class Uninterrupted:
    """The workspace that a command starts in, and what it makes of it if nobody kills it."""

    before: Path
    left: dict[str, Any]
    seconds: float
    changes: int
    """How often it changes the file system."""


class States:
    """What each command starts from and ends with, made when first asked for.

    The source has changed since, so that there is an old and a new version of everything.
    """

    def __init__(self, folder: Path, finished: Path) -> None:
        self.folder, self.finished = folder, finished
        self.changed = folder / "shop.csv"
        write_interactions(self.changed, users=50, items=15, seed=1)
        self._made: dict[str, Uninterrupted] = {}

    def of(self, name: str) -> Uninterrupted:
        """Return those of a command; each but `run` starts where the one before has ended."""
        if name not in self._made:
            first = name in ("preprocess", "run")
            former = self.finished if first else self._end(ORDER[ORDER.index(name) - 1])
            self._made[name] = self._let_it_end(name, former)
        return self._made[name]

    def _end(self, name: str) -> Path:
        self.of(name)
        return self.folder / name

    def _let_it_end(self, name: str, before: Path) -> Uninterrupted:
        workspace, count = self.folder / name, self.folder / f"{name}.count"
        shutil.copytree(before, workspace)
        counting = functools.partial(killed_before_write, None, count)
        done = typed(_line(name, self.changed, workspace), self.folder, counting)
        assert done.exit_code == 0, done.stderr
        return Uninterrupted(before, artifacts(workspace), done.seconds, count.stat().st_size)


@pytest.fixture(scope="module")
def states(tmp_path_factory, finished):
    """What each command starts from and ends with."""
    return States(tmp_path_factory.mktemp("states"), finished)


def _line(name: str, source: Path, workspace: Path) -> list[object]:
    places = {"SOURCE": source, "OUT": workspace / "recs.jsonl"}
    return [places.get(word, word) for word in COMMANDS[name]] + ["--workspace", workspace]


def require_whole(workspace: Path) -> None:
    """Every artifact can be opened: `verify` finds nothing damaged, and the promoted model still recommends."""
    served = typed_here(["recommend", "--user", "u1", "--workspace", workspace, "--threads", "1"])
    assert served.exit_code == 0, served.stderr


def require_survived(name: str, states: States, tmp_path: Path, killed) -> tuple[bool, Ended]:
    """Kill a command, check what it left, run it again and compare.

    Returns:
        whether it was killed in time, and how the next run ended.
    """
    whole = states.of(name)
    workspace = tmp_path / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree(whole.before, workspace)
    ended = killed(_line(name, states.changed, workspace))
    require_whole(workspace)
    again = typed_here([*_line(name, states.changed, workspace), "--json"])
    assert again.exit_code == 0, again.stderr
    assert artifacts(workspace) == whole.left
    return ended.exit_code == -signal.SIGKILL, again


def require_survived_at_a_random_moment(states: States, tmp_path: Path, rng: random.Random) -> bool:
    """Kill a random command at a random moment, and tell which and whether it was in time."""
    name = rng.choice(ORDER)
    whole = states.of(name)

    def killed(line):
        if rng.random() < 0.5:
            return typed(line, tmp_path, functools.partial(killed_before_write, rng.randrange(whole.changes)))
        running = Running(line, tmp_path, small_steps)
        time.sleep(rng.random() * whole.seconds)
        running.send(signal.SIGKILL)
        return running.ended()

    in_time, _ = require_survived(name, states, tmp_path, killed)
    print(f"{name}: {'killed' if in_time else 'had ended'}")
    return in_time


@pytest.mark.thorough
def test_killed_at_a_random_moment(states, tmp_path):
    rng = random.Random(6)
    assert sum(require_survived_at_a_random_moment(states, tmp_path, rng) for _ in range(6)) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_200_random_moments(states, tmp_path, seed):
    rng = random.Random(seed)
    # Some moments fall after the command has ended; a seed whose every moment does would prove nothing.
    assert sum(require_survived_at_a_random_moment(states, tmp_path, rng) for _ in range(10)) >= 1


def require_survived_before_each(name: str, states: States, tmp_path: Path, every: int = 1) -> list[Ended]:
    """Kill a command before each change of the file system, or some; return how the runs after a kill ended."""
    endings: list[Ended] = []
    while True:
        prepare = functools.partial(killed_before_write, every * len(endings))
        in_time, again = require_survived(
            name, states, tmp_path, lambda line, prepare=prepare: typed(line, tmp_path, prepare)
        )
        if not in_time:
            return endings
        endings.append(again)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
def test_preprocessing_killed_before_changes_of_the_file_system(states, tmp_path, every):
    assert len(require_survived_before_each("preprocess", states, tmp_path, every)) >= 12 // every


@pytest.mark.thorough
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
def test_a_batch_killed_between_its_parts_goes_on_from_those_it_has(states, tmp_path, every):
    """Fifty users in five parts; what was done before the kill is not done again."""
    endings = require_survived_before_each("recommend", states, tmp_path, every)
    assert len(endings) >= 24 // every
    resumed = [json.loads(again.stdout)["resumed"] for again in endings]
    assert set(resumed) >= ({0, 10, 20, 30, 40, 50} if every == 1 else {0})
    assert len(set(resumed)) >= 3


def test_a_stage_killed_between_its_checkpoint_and_the_removal_of_its_state(workspace, finished, csv):
    path = workspace / "shop/adrec/align.safetensors"
    tensors, metadata = load_checkpoint(path)
    save_state(path.with_name("align.state.safetensors"), tensors, {"run_key": metadata.run_key})
    assert typed_here(["run", csv, *TINY, "--workspace", workspace]).exit_code == 0
    assert artifacts(workspace) == artifacts(finished)
