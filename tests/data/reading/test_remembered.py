"""A data set remembers how it is read: the next file is read like the first, or refused."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.errors import InputError
from tests.data.table_files import START, Row, history, read_sequences, run, write_csv
from tests.examples import tries

FIRST = history("ann", ["pen", "ink", "cup"]) + history("bob", ["pen"])
MONDAY = [("ann", "hat", START + 9000), ("bob", "hat", START + 9001)]
BOTH = {"ann": ["pen", "ink", "cup", "hat"], "bob": ["pen", "hat"]}


def arranged(path: Path, rows: list[Row], names: tuple[str, ...], order: tuple[int, ...], *, header: bool) -> Path:
    """Write rows with the columns user, item and time under other names and in another order."""
    shuffled = [[row[column] for column in order] for row in rows]
    return write_csv(path, shuffled, ",".join(names[column] for column in order) if header else "")


@settings(max_examples=tries(20), deadline=None)
@given(
    names=st.permutations(["customer", "sku", "bought_at", "user_id", "item_id", "kunde", "x", "date", "7"]),
    orders=st.tuples(st.permutations(range(3)), st.permutations(range(3))),
    header=st.booleans(),
)
def test_columns_are_remembered_whatever_their_names_and_order(
    names: list[str], orders: tuple[list[int], list[int]], header: bool
) -> None:
    named = (names[0], names[1], names[2])
    first, then = tuple(orders[0]), tuple(orders[1] if header else orders[0])
    columns = {f"{role}_column": first.index(place) + 1 for place, role in enumerate(("user", "item", "timestamp"))}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = arranged(folder / "log.csv", FIRST, named, first, header=header)
        made = run(source, folder / "ws", header=header, **columns).folder
        run(arranged(folder / "monday.csv", MONDAY, named, then, header=header), folder / "ws", update=made)
        assert read_sequences(made) == BOTH
        kept = read_manifest(made).reading["columns"]
        assert list(kept.values()) == ([*named] if header else list(columns.values()))


@pytest.mark.parametrize(
    ("header", "monday", "found"),
    [
        ("customer,sku,bought_at", "customer,article,bought_at\nann,hat,1400009000\n", "customer, article, bought_at"),
        ("customer,sku,bought_at", "ann,hat,1400009000\nbob,hat,1400009001\n", "ann, hat, 1400009000"),
        ("customer,sku,bought_at", "customer;sku;bought_at\nann;hat;1400009000\n", "customer;sku;bought_at"),
        ("", "ann,hat,5,1400009000\n", "user_id, item_id, rating, timestamp"),
        ("", "ann,hat\n", "user_id, item_id"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_was_expected_and_found(
    tmp_path: Path, header: str, monday: str, found: str
) -> None:
    names = {"user_column": "customer", "item_column": "sku", "timestamp_column": "bought_at"} if header else {}
    made = run(write_csv(tmp_path / "shop.csv", FIRST, header), tmp_path / "ws", **names).folder
    before = read_sequences(made)
    (tmp_path / "monday.csv").write_text(monday)
    with pytest.raises(InputError, match="is not written as shop was read: expected ") as caught:
        run(tmp_path / "monday.csv", tmp_path / "ws", update=made)
    assert caught.value.message.endswith(f"found {found}")
    assert "customer (user)" in caught.value.message if header else "3 columns" in caught.value.message
    assert read_sequences(made) == before


def test_what_an_update_says_stands_above_what_is_remembered_and_is_remembered_in_turn(tmp_path: Path) -> None:
    made = run(write_csv(tmp_path / "shop.csv", FIRST), tmp_path / "ws").folder
    other = write_csv(tmp_path / "tuesday.csv", MONDAY[:1], "user_id,article,timestamp")
    run(other, tmp_path / "ws", update=made, item_column="article")
    run(write_csv(tmp_path / "wednesday.csv", MONDAY[1:], "user_id,article,timestamp"), tmp_path / "ws", update=made)
    assert read_sequences(made) == BOTH
    assert read_manifest(made).reading["columns"]["item"] == "article"


def test_a_unit_that_was_found_is_held_to_the_next_file(tmp_path: Path) -> None:
    made = run(write_csv(tmp_path / "s.csv", [(u, i, t * 1000) for u, i, t in FIRST]), tmp_path / "ws").folder
    assert read_manifest(made).reading["timestamp_unit"] == "ms"
    with pytest.raises(InputError, match="times in milliseconds"):
        run(write_csv(tmp_path / "monday.csv", MONDAY), tmp_path / "ws", update=made)
    run(write_csv(tmp_path / "monday.csv", MONDAY), tmp_path / "ws", update=made, timestamp_unit="s")
    assert read_sequences(made) == BOTH


def test_a_rating_that_a_night_lacks_is_not_forgotten(tmp_path: Path) -> None:
    rated = [(user, item, 5, time) for user, item, time in FIRST]
    made = run(write_csv(tmp_path / "s.csv", rated, "user_id,item_id,rating,timestamp"), tmp_path / "ws").folder
    run(write_csv(tmp_path / "monday.csv", MONDAY), tmp_path / "ws", update=made)
    assert read_manifest(made).reading["columns"]["rating"] == "rating"


def test_a_manifest_of_format_1_says_how_to_read_too(tmp_path: Path) -> None:
    names = {"user_column": "customer", "item_column": "sku", "timestamp_column": "bought_at"}
    header = "sku,customer,bought_at"
    turned = [(item, user, time) for user, item, time in FIRST]
    made = run(write_csv(tmp_path / "shop.csv", turned, header), tmp_path / "ws", **names).folder
    content = json.loads((made / "manifest.json").read_text())
    del content["reading"], content["manifest_sha256"]
    content["format_version"] = 1
    content["manifest_sha256"] = content_sha256(content)
    (made / "manifest.json").write_text(json.dumps(content, indent=2) + "\n")
    assert read_manifest(made).reading == {}
    run(write_csv(tmp_path / "monday.csv", [(i, u, t) for u, i, t in MONDAY], header), tmp_path / "ws", update=made)
    assert read_sequences(made) == BOTH
    assert read_manifest(made).format_version == 2
