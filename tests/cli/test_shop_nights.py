"""README's shop with columns of its own: a first run, three nights and today's events, with no option repeated."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from adrec_cli.errors import ExitCode
from tests.cli.conftest import TINY, Adrec
from tests.data.table_files import read_sequences

NAMES = ["--user-column", "customer", "--item-column", "sku", "--timestamp-column", "bought_at"]
START = 1_700_000_000


def write_night(path: Path, day: int, *, header: str = "item,person,moment,customer,sku,bought_at") -> Path:
    """Write purchases of a day behind columns that would be taken for others if nothing were remembered."""
    rows = [
        f"P{event},x{user % 3},{START + day},"
        f"c{user},s{(user * 5 + event + day) % (12 + day)},{START + day * 86_400 + event}"
        for user in range(30)
        for event in range(6 if day == 0 else 2)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def shop(tmp_path: Path, adrec: Adrec, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a shop, with its data set made and a model trained."""
    monkeypatch.chdir(tmp_path)
    write_night(tmp_path / "shop.csv", 0)
    titles = "".join(f"s{number},Title {number}\n" for number in range(12))
    (tmp_path / "products.csv").write_text(f"item_id,title\n{titles}")
    for command in ("preprocess", "run"):
        more = ["--model", "sasrec", "--epochs", 1, *TINY] if command == "run" else []
        done = adrec(command, "shop.csv", *NAMES, "--items", "products.csv", *more)
        assert done.exit_code == 0, done.stderr
        assert "user = customer, item = sku, timestamp = bought_at" in done.stderr
    return tmp_path


def test_three_nights_and_todays_events_repeat_no_option(shop: Path, adrec: Adrec) -> None:
    for day in (1, 2, 3):
        with open(shop / "products.csv", "a") as file:
            file.write(f"s{11 + day},Title {11 + day}\n")
        write_night(shop / "monday.csv", day)
        done = adrec("run", "monday.csv", "--update", "shop", "--model", "sasrec", "--epochs", 1, *TINY)
        assert done.exit_code in (0, ExitCode.NOT_PROMOTED), done.stderr
    made = shop / "workspace" / "shop"
    sequences = read_sequences(made)
    assert sorted(sequences) == sorted(f"c{user}" for user in range(30))
    assert all(len(items) == 12 for items in sequences.values())
    titles = dict(pl.read_parquet(made / "items.parquet").select("item_id", "title").rows())
    assert titles == {f"s{number}": f"Title {number}" for number in range(15)}

    write_night(shop / "today.csv", 4)
    told = adrec(
        "recommend", "--all", "--dataset", "shop", "--model", "sasrec", "--events", "today.csv", "--out", "r.jsonl"
    )
    assert told.exit_code == 0, told.stderr
    assert "unknown: items of histories 1," in told.stderr
    lists = [json.loads(line) for line in (shop / "r.jsonl").read_text().splitlines()]
    bought = {f"c{user}": {f"s{(user * 5 + event + 4) % 16}" for event in range(2)} for user in range(30)}
    assert lists
    assert not any(entry["item_id"] in bought[entry["user_id"]] for entry in lists)


def test_a_night_of_another_form_is_refused_by_every_command(shop: Path, adrec: Adrec) -> None:
    write_night(shop / "tuesday.csv", 1, header="customer,sku,bought_at,who,what,moment")
    before = read_sequences(shop / "workspace" / "shop")
    (shop / "tuesday.csv").write_text((shop / "tuesday.csv").read_text().replace("sku", "article", 1))
    for command in (
        ["preprocess", "tuesday.csv", "--update", "shop"],
        ["run", "tuesday.csv", "--update", "shop", "--model", "sasrec"],
        ["recommend", "--all", "--dataset", "shop", "--events", "tuesday.csv", "--out", "r.jsonl"],
    ):
        done = adrec(*command)
        assert done.exit_code == ExitCode.INPUT, done.stderr
        assert "is not written as shop was read: expected customer (user), sku (item)" in done.stderr
    assert read_sequences(shop / "workspace" / "shop") == before


def test_events_may_also_have_adrecs_own_columns(shop: Path, adrec: Adrec) -> None:
    (shop / "today.csv").write_text("user_id,item_id\nc1,s3\nnew,s4\n")
    done = adrec("recommend", "--all", "--dataset", "shop", "--events", "today.csv", "--out", "r.jsonl")
    assert done.exit_code == 0, done.stderr
    assert any(json.loads(line)["user_id"] == "new" for line in (shop / "r.jsonl").read_text().splitlines())
