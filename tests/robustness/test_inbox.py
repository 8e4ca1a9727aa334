"""The inbox of nights: every file once, whole, in order; what fails, waits or is bad is there for the next one."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections import Counter

import pytest

from adrec_cli.artifacts.lock import exclusive
from adrec_cli.data import inbox as inbox_files
from adrec_cli.pipeline import preprocess as preprocessing
from tests.robustness.processes import Running, typed_here
from tests.robustness.shop import NIGHT, Shop, events_of, write_events
from tests.tiers import sampled


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def sources(shop):
    return [source["name"] for source in shop.manifest()["sources"]]


def test_the_first_night_makes_the_data_set_and_each_file_is_taken_once(shop):
    days = [events_of(range(10 * day, 10 * day + 30), day) for day in range(3)]
    shop.arrives("b.csv", days[1])
    shop.arrives("a.csv", days[0])
    assert shop.night().exit_code == 0
    assert sources(shop) == ["a.csv", "b.csv"], "in the order of names"
    assert shop.holds() == Counter(days[0] + days[1])
    shop.arrives("c.csv", days[2])
    shutil.copy(shop.inbox / "a.csv", shop.inbox / "again.csv")
    assert shop.night().exit_code == 0
    assert sources(shop) == ["a.csv", "b.csv", "c.csv"]
    assert shop.holds() == Counter(event for day in days for event in day)
    assert len(list(shop.inbox.iterdir())) == 4, "files stay where they are"
    generation = shop.manifest()["generation"]
    assert shop.night().exit_code == 0
    assert shop.manifest()["generation"] == generation


@pytest.mark.parametrize(
    ("files", "reason"),
    [([], "holds no file"), (["bad.csv"], "no file of .* could make it: .*bad.csv"), (["cut.csv"], "is left")],
)
def test_a_first_night_without_a_usable_file(shop, files, reason):
    if "bad.csv" in files:
        (shop.inbox / "bad.csv").write_text("what,is,this\n1,2,3\n")
    if "cut.csv" in files:
        (shop.inbox / "cut.csv").write_text("user_id,item_id,timestamp\nu1,i1,1600000000")
    message = shop.night().require_one_error(3)
    assert re.search(f"there is no data set shop in .* yet, and .*{reason}", message), message
    assert not shop.dataset.exists(), "nothing is left behind"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["run", "demo", "--inbox", "IN"], 2),
        (["run", "shop.csv", "--inbox", "IN"], 2),
        (["run", "../shop", "--inbox", "IN"], 2),
        (["run", "shop", "--inbox", "IN", "--update", "shop"], 2),
        (["run", "shop", "--inbox", "IN", "--name", "other"], 2),
        (["run", "shop", "--inbox", "IN", "--archive", "IN"], 2),
        (["run", "shop", "--archive", "IN"], 2),
        (["run", "shop", "--inbox", "nowhere"], 3),
    ],
)
def test_what_makes_no_sense_is_said(shop, tmp_path, monkeypatch, line, code):
    monkeypatch.chdir(tmp_path)
    write_events(tmp_path / "shop.csv", events_of(range(9), 0))
    typed = [shop.inbox if word == "IN" else word for word in line]
    shop.types(*typed, *NIGHT).require_one_error(code)
    assert not shop.workspace.exists() or not any(shop.workspace.iterdir())


def test_a_bad_file_keeps_no_other_from_being_taken(shop):
    shop.makes()
    good = events_of(range(20, 50), 1)
    (shop.inbox / "a-bad.csv").write_text("user_id,item_id,timestamp\nu1,i1,1600000000\nu2,,1600000000\n")
    shop.arrives("b.csv", good)
    before = shop.holds()
    done = shop.night()
    message = done.require_one_error(3)
    assert "a-bad.csv" in message
    assert "line 3" in message
    assert (shop.dataset / "adrec/current.json").exists(), "the night went on"
    assert shop.holds() == before + Counter(good)
    assert sources(shop) == ["shop.csv", "b.csv"]


@sampled("end", ["last line", "grows", "name", "empty", "header"], quick=["last line", "header"])
def test_a_file_that_is_still_written_waits(shop, monkeypatch, end):
    shop.makes()
    before = shop.holds()
    day = events_of(range(20, 50), 1)
    path = shop.arrives("day.csv.part" if end == "name" else "day.csv", day)
    whole = path.read_bytes()
    if end == "last line":
        # The last id is cut: what is left of it would be another one.
        path.write_bytes(whole[:-3])
    if end == "empty":
        path.write_bytes(b"")
    if end == "header":
        # Nor is a day without events a bad file.
        path.write_bytes(whole[: whole.index(b"\n") + 1])
    if end == "grows":
        path.write_bytes(whole[: whole.index(b"\n", 900) + 1])
        monkeypatch.setattr(inbox_files.time, "sleep", lambda seconds: path.write_bytes(whole))
    done = shop.night()
    assert done.exit_code == 0
    assert f"warning: {path} is left: " in done.stderr
    assert shop.holds() == before
    monkeypatch.undo()
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)
    path.write_bytes(whole)
    path.rename(shop.inbox / "day.csv")
    assert shop.night().exit_code == 0
    assert shop.holds() == before + Counter(day)


def test_a_night_that_finds_the_lock_taken_leaves_the_files_for_the_next(shop, tmp_path):
    """Two nights and no event lost, which the README's former crontab did not manage."""
    shop.makes()
    before = shop.holds()
    day = events_of(range(20, 50), 1)
    shop.arrives("day.csv", day)
    with exclusive(shop.dataset / "adrec", "train shop"):
        shop.night().require_one_error(5)
    assert shop.holds() == before
    assert shop.night().exit_code == 0
    assert shop.holds() == before + Counter(day)


def test_a_night_killed_between_two_files_takes_the_second_the_next_time(shop, tmp_path):
    shop.makes()
    before = shop.holds()
    days = [events_of(range(20, 50), day) for day in (1, 2)]
    for number, day in enumerate(days):
        shop.arrives(f"day{number}.csv", day)

    running = Running(
        ["run", "shop", "--inbox", shop.inbox, *NIGHT, "--workspace", shop.workspace], tmp_path, die_at_the_second_file
    )
    assert running.ended().exit_code == -signal.SIGKILL
    assert shop.holds() == before + Counter(days[0])
    assert shop.night().exit_code == 0
    assert shop.holds() == before + Counter(days[0] + days[1])


def die_at_the_second_file() -> None:
    from adrec_cli.pipeline import run

    inbox_files.SETTLING_SECONDS = 0.0
    real, taken = run.preprocess_locked, []

    def take(source, **more):
        if taken:
            os.kill(os.getpid(), signal.SIGKILL)
        taken.append(source)
        return real(source, **more)

    run.preprocess_locked = take


@sampled("links", {"one file system": True, "two file systems": False}, quick=["two file systems"])
def test_the_archive(shop, tmp_path, monkeypatch, links):
    if not links:

        def refuse(*_args, **_more):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(inbox_files.os, "link", refuse)
    archive = tmp_path / "taken" / "2026"  # neither is there yet
    shop.makes()
    days = [events_of(range(20, 50), day) for day in (1, 2)]
    for name, day in zip(("day.csv", "day.csv"), days, strict=True):
        path = shop.arrives(name, day)
        content = path.read_bytes()
        assert shop.night("--archive", archive).exit_code == 0
        assert not path.exists()
        assert content in [kept.read_bytes() for kept in archive.iterdir()]
    assert len(list(archive.iterdir())) == 2, "no file takes the place of another"
    # One that an earlier night took and could not move.
    shop.inbox.joinpath("late.csv").write_bytes(content)
    assert shop.night("--archive", archive).exit_code == 0
    assert not any(shop.inbox.iterdir())


@pytest.mark.parametrize("moment", ["taken", "known", "moved"])
def test_what_takes_the_place_of_a_file_meanwhile_is_for_the_next_night(shop, tmp_path, monkeypatch, moment):
    """As where a program writes one file of one name again and again: none of its events must go to the archive."""
    shop.makes()
    days = [events_of(range(20, 50), day) for day in (1, 2)]
    path, waiting = shop.arrives("day.csv", days[0]), write_events(tmp_path / "next.csv", days[1])
    if moment == "known":
        assert shop.night().exit_code == 0

    def replace_after(place, name):
        real = getattr(place, name)

        def do(*arguments, **more):
            done = real(*arguments, **more)
            if waiting.exists() and (moment != "moved" or "archive" in str(arguments)):
                waiting.replace(path)
            return done

        monkeypatch.setattr(place, name, do)

    replace_after(*{
        "taken": (preprocessing, "change_dataset"), "known": (inbox_files._Work, "is_taken"),
        "moved": (inbox_files, "sync_folder"),
    }[moment])  # fmt: skip
    done = shop.night("--archive", tmp_path / "archive")
    assert done.exit_code == 0
    assert path.exists(), "it was not taken"
    assert f"{path} is left: it has changed since it was taken" in done.stderr
    monkeypatch.undo()
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)
    assert shop.night("--archive", tmp_path / "archive").exit_code == 0
    assert Counter(days[0] + days[1]) <= shop.holds()
    assert not path.exists()


def test_an_archive_that_is_full_costs_no_night(shop, tmp_path, monkeypatch):
    shop.makes()
    day = events_of(range(20, 50), 1)
    path = shop.arrives("day.csv", day)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox_files, "_move", full)
    message = shop.night("--archive", tmp_path / "archive").require_one_error(7)
    assert "no space left" in message
    assert path.exists()
    assert Counter(day) <= shop.holds()
    assert (shop.dataset / "adrec/current.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)
    assert shop.night("--archive", tmp_path / "archive").exit_code == 0
    assert not path.exists()
    assert max(shop.holds().values()) == 1


def test_an_archive_that_cannot_be_made_stops_before_anything_is_taken(shop, tmp_path):
    shop.makes()
    before = shop.holds()
    shop.arrives("day.csv", events_of(range(20, 50), 1))
    (tmp_path / "file").touch()
    shop.night("--archive", tmp_path / "file" / "archive").require_one_error(7)
    assert shop.holds() == before


def test_links_pipes_and_hidden_files(shop, tmp_path):
    shop.makes()
    day = events_of(range(20, 50), 1)
    write_events(tmp_path / "elsewhere.csv", day)
    (shop.inbox / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (shop.inbox / ".hidden.csv").write_text("nonsense")
    (shop.inbox / "done").mkdir()
    os.mkfifo(shop.inbox / "pipe.csv")
    message = shop.night().require_one_error(3)
    assert "pipe.csv" in message
    assert Counter(day) <= shop.holds()


def test_a_name_that_is_not_utf_8_keeps_no_other_from_being_taken(shop):
    shop.makes()
    days = [events_of(range(20, 50), day) for day in (1, 2)]
    odd = os.fsdecode(b"day\xff.csv")
    shop.arrives(odd, days[0])
    shop.arrives("later.csv", days[1])
    message = shop.night().require_one_error(3)
    assert r"day\udcff.csv" in message
    assert "is not UTF-8" in message
    assert Counter(days[1]) <= shop.holds()
    (shop.inbox / odd).rename(shop.inbox / "renamed.csv")
    assert shop.night().exit_code == 0
    assert Counter(days[0]) <= shop.holds()


def test_the_command_line_shows_the_inbox_to_machines(shop):
    shop.makes()
    shop.arrives("day.csv", events_of(range(20, 50), 1))
    done = typed_here(["run", "shop", "--inbox", shop.inbox, *NIGHT, "--json", "--workspace", shop.workspace])
    assert '"taken": [' in done.stdout


def test_what_is_read_beside_the_events_is_no_file_of_events(shop):
    """Orders that say whose the events are, and titles: given on the first night, remembered on the next."""
    (shop.inbox / "orders.csv").write_text("order_id,user_id,timestamp\n" + orders(range(60)))
    (shop.inbox / "products.csv").write_text("item_id,title\n" + "".join(f"i{n},Title {n}\n" for n in range(5)))
    (shop.inbox / "day1.csv").write_text("order_id,item_id\n" + baskets(range(30)))
    beside = ["--join", shop.inbox / "orders.csv", "--on", "order_id", "--items", shop.inbox / "products.csv"]
    assert shop.night(*beside).exit_code == 0
    (shop.inbox / "day2.csv").write_text("order_id,item_id\n" + baskets(range(30, 60)))
    done = shop.night()
    assert done.exit_code == 0, done.stderr
    assert sum(shop.holds().values()) == 180
    assert {"day1.csv", "day2.csv"} <= set(sources(shop))


def orders(numbers: range) -> str:
    return "".join(f"o{n},u{n % 10},{1_600_000_000 + n * 60}\n" for n in numbers)


def baskets(numbers: range) -> str:
    return "".join(f"o{n},i{(n + k) % 5}\n" for n in numbers for k in range(3))
