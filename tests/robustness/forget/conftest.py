"""A shop with a person in everything that it keeps."""

from __future__ import annotations

import shutil

import pytest

from adrec_cli.data import inbox as inbox_files
from tests.robustness.shop import Shop, events_of, write_events

PERSON = "person-4711"
BATCHES = ("recs.parquet", "recs.csv", "shop/recs.jsonl")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inbox_files, "SETTLING_SECONDS", 0.0)


def with_person(users: range, day: int, *, each: int = 4):
    events = events_of(users, day)
    return events + [(PERSON, item, time + 7) for _, item, time in events[:each]]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A shop with two former generations, a promoted model, ranks, batches, pending events, and a person in all."""
    folder = tmp_path_factory.mktemp("made")
    settling, inbox_files.SETTLING_SECONDS = inbox_files.SETTLING_SECONDS, 0.0
    shop = Shop(folder)
    first = write_events(folder / "shop.csv", with_person(range(40), 0))
    done = shop.types("preprocess", first, "--name", "shop", "--min-item-interactions", 3)
    assert done.exit_code == 0, done.stderr
    for day in (1, 2):
        rare = (PERSON, f"rare{day}", 1_600_000_000 + day * 86_400)
        shop.arrives(f"day{day}.csv", [*with_person(range(20, 40), day), rare])
        assert shop.night().exit_code == 0
    for name in BATCHES:
        done = shop.types("recommend", "--all", "-k", 3, "--out", shop.workspace / name, "--threads", 1)
        assert done.exit_code == 0, done.stderr
    namesake = folder / "users.txt"
    namesake.write_text(f"u1\n{PERSON}-x\n")
    shop.types("recommend", "--users", namesake, "-k", 3, "--out", shop.workspace / "some.csv", "--threads", 1)
    inbox_files.SETTLING_SECONDS = settling
    return shop


@pytest.fixture
def shop(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "copy")
    return Shop(tmp_path / "copy")
