"""Pushes and pulls that are killed, that meet, and that somebody reads beside: all of one or all of the other."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adrec_cli.artifacts import dataset
from adrec_cli.artifacts.evaluation import list_evaluations, read_ranks
from adrec_cli.artifacts.generations import generation_folders, open_generation
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.loading.current import find_current, open_current
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.pull import Pulling, pull
from adrec_cli.pipeline.push import push
from adrec_cli.pipeline.verify import verify
from tests.moved_shops import nights, read_visible
from tests.robustness.processes import typed, typed_here
from tests.robustness.test_kill import killed_before_write

__all__ = ["nights"]

FORCE = Pulling(force=True)
EVERY = pytest.mark.parametrize(
    "every",
    [60, pytest.param(25, marks=pytest.mark.thorough), pytest.param(1, marks=pytest.mark.slow)],
    ids=["few", "some", "each"],
)
"""Of all writes, those before which one is killed."""


@pytest.fixture
def places(nights: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Where the first and where the second night was pushed to."""
    for workspace, name in zip(nights, ("first", "second"), strict=True):
        shutil.copytree(workspace, tmp_path / f"of-{name}")
        push("shop", str(tmp_path / name), workspace=tmp_path / f"of-{name}")
    return tmp_path / "first", tmp_path / "second"


@EVERY
def test_a_pull_that_is_killed_leaves_the_old_or_what_every_command_takes(
    every: int, nights: tuple[Path, Path], places: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = (read_visible(workspace / "shop") for workspace in nights)
    before = tmp_path / "before"
    pull(str(places[0]), workspace=before)
    untouched = between = nth = 0
    while True:
        here = tmp_path / "here"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(before, here)
        line = ["pull", places[1], "--force", "--workspace", here]
        ended = typed(line, tmp_path, functools.partial(killed_before_write, nth))
        if ended.exit_code != -signal.SIGKILL:
            break
        now = read_visible(here / "shop")
        untouched += now == old
        between += now not in (old, new)
        assert not verify(here).damaged
        assert typed_here(["recommend", "--user", "u1", "--workspace", here, "--threads", "1"]).exit_code == 0
        again = typed_here(line)
        assert again.exit_code == 0, again.stderr
        assert read_visible(here / "shop").items() >= new.items()
        assert not verify(here).damaged
        nth += every
    assert ended.exit_code == 0, ended.stderr
    assert read_visible(here / "shop").items() >= new.items()
    assert untouched >= max(1, 20 // every)
    assert between >= max(1, 20 // every)


@EVERY
def test_a_push_that_is_killed_leaves_what_was_pushed_before(
    every: int, nights: tuple[Path, Path], places: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = (read_visible(workspace / "shop") for workspace in nights)
    killed = nth = 0
    while True:
        place, here = tmp_path / "place", tmp_path / "here"
        for folder in (place, here):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(places[0], place)
        line = ["push", "shop", place, "--force", "--workspace", tmp_path / "of-second"]
        ended = typed(line, tmp_path, functools.partial(killed_before_write, nth))
        pull(str(place), workspace=here)
        assert read_visible(here / "shop") in (old, new)
        if ended.exit_code != -signal.SIGKILL:
            break
        killed += read_visible(here / "shop") == old
        assert read_visible(tmp_path / "of-second/shop") == new
        assert typed_here(line).exit_code == 0
        pull(str(place), workspace=here)
        assert read_visible(here / "shop") == new
        nth += every
    assert read_visible(here / "shop") == new
    assert killed >= max(1, 40 // every)


@contextlib.contextmanager
def repeating(*actions: object) -> Iterator[list[BaseException]]:
    """Do each action in a thread of its own, again and again, while open; yield what they raise."""
    raised: list[BaseException] = []
    over = threading.Event()

    def repeat(action: object) -> None:
        assert callable(action)
        while not over.is_set() and not raised:
            try:
                action()
            except BaseException as error:
                raised.append(error)

    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield raised
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_two_who_push_at_once_leave_all_of_the_one_or_of_the_other(
    nights: tuple[Path, Path], places: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = (read_visible(workspace / "shop") for workspace in nights)
    place, met = str(tmp_path / "place"), set()

    def push_from(name: str) -> None:
        push("shop", place, workspace=tmp_path / name, force=True)

    push_from("of-first")
    with repeating(lambda: push_from("of-first"), lambda: push_from("of-second")) as raised:
        for number in range(200):
            here = tmp_path / str(number)
            pull(place, workspace=here)
            now = read_visible(here / "shop")
            assert now in (old, new)
            met.add(now == new)
            if len(met) == 2 and number >= 4:
                break
    assert not raised, raised
    assert met == {True, False}


@pytest.mark.thorough
def test_whoever_reads_meanwhile_finds_all_of_the_one_or_of_the_other(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    pull(str(places[0]), workspace=here)
    folder = here / "shop"
    sequences: set[str] = set()

    def read_data() -> None:
        sequences.add(open_dataset(folder).manifest.sequences_sha256)

    def read_model() -> None:
        found = find_current(folder / "adrec")
        assert found is not None
        open_current(found, open_dataset(folder))

    def read_results() -> None:
        for path in list_evaluations(folder):
            read_ranks(path)

    def read_former() -> None:
        for number in generation_folders(folder):
            open_generation(folder, number)

    with repeating(read_data, read_model, read_results) as raised:
        for number in range(20):
            pull(str(places[number % 2]), workspace=here, pulling=FORCE)
    assert not raised, raised
    assert len(sequences) == 2
    pull(str(places[1]), workspace=here, pulling=FORCE)
    read_former()


def killed_once_the_manifest_is_new() -> None:
    """Let the process kill itself once a change has counted and its files do not have their names yet."""
    write = dataset.write_manifest

    def written(folder: Path, manifest: Manifest) -> None:
        write(folder, manifest)
        os.kill(os.getpid(), signal.SIGKILL)

    dataset.write_manifest = written


@pytest.fixture
def changed(nights: tuple[Path, Path], tmp_path: Path) -> tuple[Path, list[object]]:
    """A workspace, and the command that changes its data set."""
    workspace = shutil.copytree(nights[0], tmp_path / "changed")
    (tmp_path / "more.csv").write_text("user_id,item_id,timestamp\nu1,i3,2000000000\nnew,i4,2000000001\n")
    return workspace, ["preprocess", tmp_path / "more.csv", "--update", "shop", "--workspace", workspace]


@pytest.mark.thorough
def test_a_change_that_was_killed_is_finished_before_a_push(changed: tuple[Path, list[object]], tmp_path: Path) -> None:
    """The manifest is new, and under the names of its files still lie the old ones, which nobody must get with it."""
    workspace, line = changed
    before = read_visible(workspace / "shop")
    assert typed(line, tmp_path, killed_once_the_manifest_is_new).exit_code == -signal.SIGKILL
    now = read_visible(workspace / "shop")
    assert now["manifest.json"] != before["manifest.json"]
    assert now["sequences.parquet"] == before["sequences.parquet"]
    require_pushed_whole(workspace, tmp_path)
    finished = read_visible(workspace / "shop")
    assert finished["sequences.parquet"] != before["sequences.parquet"]
    assert finished == read_visible(tmp_path / "here/shop")


@pytest.mark.thorough
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
def test_a_change_that_was_killed_anywhere_is_finished_or_undone_before_a_push(
    every: int, changed: tuple[Path, list[object]], tmp_path: Path
) -> None:
    workspace, line = changed
    kept = shutil.copytree(workspace, tmp_path / "kept")
    seen, nth = set(), 0
    while True:
        for folder in (workspace, tmp_path / "here", tmp_path / "copies"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, workspace)
        ended = typed(line, tmp_path, functools.partial(killed_before_write, nth))
        require_pushed_whole(workspace, tmp_path)
        seen.add(read_visible(tmp_path / "here/shop")["sequences.parquet"])
        if ended.exit_code != -signal.SIGKILL:
            break
        nth += every
    assert len(seen) == 2
    assert nth > 20


def require_pushed_whole(workspace: Path, tmp_path: Path) -> None:
    """Push a data set, and pull it where it must be whole."""
    push("shop", str(tmp_path / "copies"), workspace=workspace)
    pull(str(tmp_path / "copies"), workspace=tmp_path / "here")
    assert not verify(tmp_path / "here").damaged
