"""A bad day can be undone: every change of a data set keeps what it was, and what was gone back from stays away."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
from collections import Counter

import pytest

from adrec_cli.artifacts import atomic, generations
from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.artifacts.changing import find_withdrawn
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data import inbox as inbox_files
from adrec_cli.loading.opening import open_dataset
from adrec_cli.pipeline.rollback import rollback_data
from tests.robustness.processes import artifacts, typed
from tests.robustness.shop import NIGHT, Shop, events_of, write_events
from tests.robustness.test_kill import killed_before_write
from tests.tiers import sampled


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)


@pytest.fixture
def shop(tmp_path):
    """A shop with a first data set of 160 events, generation 1."""
    shop = Shop(tmp_path)
    shop.makes()
    return shop


def updates(shop, day, *more, name=None):
    path = write_events(shop.folder / (name or f"day{day}.csv"), events_of(range(20, 30), day))
    done = shop.types("preprocess", path, "--update", "shop", *more)
    assert done.exit_code == 0, done.stderr
    return path


def test_every_change_keeps_the_former_one_and_three_stay(shop):
    was = {1: shop.holds()}
    for day in range(1, 6):
        updates(shop, day)
        was[day + 1] = shop.holds()
    assert shop.generations() == [3, 4, 5]
    for number in (5, 4, 3):
        done = shop.types("rollback", "shop", "--data")
        assert done.exit_code == 0, done.stderr
        assert shop.holds() == was[number]
        assert open_dataset(shop.dataset).manifest.generation == number
    assert "not kept" in shop.types("rollback", "shop", "--data").require_one_error(4)


@pytest.mark.parametrize("forgotten", [False, True])
def test_going_back_hashes_each_file_of_a_generation_once(shop, monkeypatch, forgotten):
    updates(shop, 1)
    if forgotten:
        # So that those who may be in the generation are looked for, too.
        assert shop.types("forget", "shop", "--user", "u3").exit_code == 0
    hashed = []
    monkeypatch.setattr(atomic, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    rollback_data("shop", workspace=shop.workspace)
    assert sorted(path.name for path in hashed if path.parent.name == "000001") == [
        "items.parquet",
        "sequences.parquet",
    ]


@sampled("seed", range(20), quick=[0, 1])
def test_what_was_gone_back_from_is_known_as_long_as_it_is_kept(shop, seed):
    """Held to a ledger of which data were made from which, over random updates and ways back and forth."""
    random_ = random.Random(seed)
    now, made_from, hashes = 1, {1: 0}, {1: read_manifest(shop.dataset).sequences_sha256}
    for day in range(1, 9):
        kept = shop.generations()
        if kept and random_.random() < 0.5:
            now = random_.choice(kept)
            rollback_data("shop", workspace=shop.workspace, to=now)
        else:
            updates(shop, day)
            former, now = now, read_manifest(shop.dataset).generation
            made_from[now], hashes[now] = former, read_manifest(shop.dataset).sequences_sha256
        kept = shop.generations()
        line, oldest = [now], now
        while made_from[oldest] in kept:
            line.append(oldest := made_from[oldest])
        left = {number for number in kept if number not in line}
        found = find_withdrawn(shop.dataset)
        # Of what is older than all that is known of, nobody can tell.
        assert found == {hashes[number] for number in left if number > made_from[oldest]}, (now, made_from, kept)


def test_nothing_was_gone_back_from_where_nothing_is_known(tmp_path):
    assert find_withdrawn(tmp_path / "nowhere") == set()


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_how_many_are_kept_is_said_once(shop, keep):
    updates(shop, 1, "--keep-data", keep)
    for day in range(2, 5):
        updates(shop, day)
        assert len(shop.generations()) == min(day, keep)


def test_a_withdrawn_file_is_not_taken_again_unless_forced(shop):
    before = shop.holds()
    bad = events_of(range(20, 50), 1)
    path = shop.arrives("bad.csv", bad)
    assert shop.night().exit_code == 0
    done = shop.types("rollback", "shop", "--data")
    assert done.exit_code == 0
    assert "bad.csv" in done.stderr
    assert "adrec was promoted on the data that were withdrawn" in done.stderr
    assert shop.holds() == before
    shop.arrives("good.csv", events_of(range(10), 2))
    again = shop.night()
    assert again.exit_code == 0
    assert f"{path} is left: withdrawn" in again.stderr
    assert not Counter(bad) & shop.holds()
    for line in (["run", path, *NIGHT], ["preprocess", path]):
        assert "was withdrawn" in shop.types(*line, "--update", "shop").require_one_error(3)
    assert shop.night("--retake").exit_code == 0
    assert Counter(bad) <= shop.holds()
    assert shop.manifest()["withdrawn"] == []


def test_the_same_rows_in_another_file_are_withdrawn_too(shop):
    path = updates(shop, 1)
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    path.write_text(path.read_text() + "\n")
    assert "was withdrawn" in shop.types("preprocess", path, "--update", "shop").require_one_error(3)


def test_going_forward_again(shop):
    updates(shop, 1)
    updates(shop, 2)
    newest, middle = shop.holds(), shop.manifest()["former"]
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.manifest()["generation"] == middle
    assert shop.types("rollback", "shop", "--data", "--to", 3).exit_code == 0
    assert shop.holds() == newest
    assert shop.manifest()["withdrawn"] == []
    shop.types("rollback", "shop", "--data", "--to", 3).require_one_error(4)
    shop.types("rollback", "shop", "--data", "--to", 9).require_one_error(4)
    shop.types("rollback", "shop", "--to", 1).require_one_error(2)


def test_a_change_after_going_back_goes_back_to_where_it_came_from(shop):
    updates(shop, 1)
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    first = shop.holds()
    updates(shop, 2)
    assert (shop.manifest()["generation"], shop.manifest()["former"]) == (3, 1)
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.holds() == first


def test_a_source_alone_does_not_take_the_place_of_what_was_collected(shop):
    """`preprocess shop.csv` on a data set that has grown lost every night's events without a word."""
    updates(shop, 1)
    before = artifacts(shop.dataset)
    write_events(shop.folder / "shop.csv", events_of(range(5), 3))
    for line in (["preprocess", "shop.csv"], ["run", "shop.csv", *NIGHT], ["run", "shop.csv", *NIGHT, "--force"]):
        line[1] = shop.folder / line[1]
        message = shop.types(*line).require_one_error(2)
        assert "has grown by updates to 200 interactions of 2 files" in message
        assert artifacts(shop.dataset) == before
    grown = shop.holds()
    assert shop.types("preprocess", shop.folder / "shop.csv", "--force").exit_code == 0
    assert sum(shop.holds().values()) == 20
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.holds() == grown


@pytest.mark.parametrize("name", ["manifest.json", "sequences.parquet", "items.parquet"])
def test_a_damaged_data_set_is_gone_back_from(shop, name):
    before = shop.holds()
    updates(shop, 1)
    (shop.dataset / name).write_bytes(b"nonsense")
    assert "--force" in shop.types("preprocess", shop.folder / "shop.csv").stderr or name != "manifest.json"
    done = shop.types("rollback", "shop", "--data")
    assert done.exit_code == 0, done.stderr
    assert shop.holds() == before
    assert shop.types("verify").exit_code == 0


@pytest.mark.parametrize("name", ["manifest.json", "sequences.parquet", "items.parquet"])
def test_a_damaged_generation_is_named_refused_and_cleaned_away(shop, name):
    updates(shop, 1)
    now = shop.holds()
    place = shop.dataset / "generations/000001"
    (place / name).write_bytes((place / name).read_bytes()[:-1] + b"?")
    verdict = json.loads(shop.types("verify", "--json").stdout)
    (damaged,) = [one for one in verdict["verdicts"] if one["status"] == "damaged"]
    assert damaged["path"] == "shop/generations/000001"
    assert "adrec clean" in damaged["repair"]
    shop.types("rollback", "shop", "--data").require_one_error(4)
    assert shop.holds() == now
    assert shop.types("clean", "--yes").exit_code == 0
    assert not place.exists()
    assert shop.types("verify").exit_code == 0


def test_a_file_system_without_hard_links(shop, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(generations.os, "link", refuse)
    before = shop.holds()
    updates(shop, 1)
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.holds() == before


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "each"])
@sampled("command", ["preprocess", "rollback"], quick=["rollback"])
def test_killed_before_changes_of_the_file_system(shop, tmp_path, command, every):
    """The data set is the old or the new one, whole; the command again ends where an uninterrupted one would."""
    for day in range(1, 3):
        updates(shop, day, "--keep-data", 2)
    path = write_events(shop.folder / "day9.csv", events_of(range(20, 30), 9))
    line = {"preprocess": ["preprocess", path, "--update", "shop"], "rollback": ["rollback", "shop", "--data"]}[command]
    kept, old = tmp_path / "kept", shop.holds()
    shutil.copytree(shop.workspace, kept)
    assert shop.types(*line).exit_code == 0
    new, whole = shop.holds(), artifacts(shop.workspace)
    step, survived = 0, 0
    while True:
        shutil.rmtree(shop.workspace)
        shutil.copytree(kept, shop.workspace)
        killed = functools.partial(killed_before_write, step)
        ended = typed([*line, "--workspace", shop.workspace], tmp_path, killed)
        if ended.exit_code != -signal.SIGKILL:
            break
        assert shop.types("verify").exit_code == 0
        holds = shop.holds_as_read()
        assert holds in (old, new)
        if command == "preprocess" or holds == old:
            assert shop.types(*line).exit_code == 0
            assert artifacts(shop.workspace) == whole
            survived += 1
        step += every
    assert step > 20
    assert survived > 2


def test_promoted_models_answer_whatever_becomes_of_the_data(shop):
    shop.arrives("day.csv", events_of(range(20, 50), 1))
    assert shop.night().exit_code == 0
    assert shop.types("rollback", "shop", "--data").exit_code == 0
    assert shop.types("recommend", "--user", "u1", "--threads", 1).exit_code == 0
    assert os.path.exists(shop.dataset / "adrec/current.json")
    again = shop.night()
    assert again.exit_code == 0, again.stderr
    assert shop.types("verify").exit_code == 0
