"""Events beside a file that says whose and when they are."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.newest_events import read_newest_events
from adrec_cli.errors import InputError, UsageError
from tests.data.table_files import START, read_sequences, run
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

ORDERS = [("o1", "ann", START + 9), ("o2", "ann", START), ("o3", "ben", START + 5)]
PRODUCTS = [("o1", "c"), ("o1", "d"), ("o2", "a"), ("o2", "b"), ("o3", "a")]
EXPECTED = {"ann": ["a", "b", "c", "d"], "ben": ["a"]}


def write(path: Path, rows: list[tuple[object, ...]], names: list[str]) -> Path:
    frame = pl.DataFrame(rows, schema=names, orient="row")
    {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[path.suffix](path)
    return path


def files(folder: Path, left: str = "csv", right: str = "csv", key: str = "order_id") -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    products = write(folder / f"products.{left}", [*PRODUCTS], ["order_id", "product_id"])
    return products, write(folder / f"orders.{right}", [*ORDERS], [key, "user_id", "order_date"])


@pytest.mark.parametrize("left", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("right", ["csv", "jsonl", "parquet"])
def test_events_get_user_and_time_from_their_order(tmp_path: Path, left: str, right: str) -> None:
    products, orders = files(tmp_path, left, right)
    made = run(products, tmp_path / "ws", join=orders, on="order_id")
    assert read_sequences(made.folder) == EXPECTED
    assert made.warnings == []
    assert {source["name"] for source in made.manifest.sources} == {products.name, orders.name}
    reading = made.manifest.reading
    assert (reading["join"], reading["on"]) == (orders.name, "order_id")
    assert reading["columns"] == {"user": "user_id", "item": "product_id", "timestamp": "order_date"}


def test_keys_of_other_names_and_forms(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", [("1.0", "a"), (" 2", "b")], ["order_id", "item_id"])
    write(tmp_path / "o.parquet", [(1, "ann", START), (2, "ann", START + 1)], ["id", "user_id", "timestamp"])
    made = run(tmp_path / "p.csv", tmp_path / "ws", join=tmp_path / "o.parquet", on="order_id=id")
    assert read_sequences(made.folder) == {"ann": ["a", "b"]}


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "views.csv", [("s1", "a", "x"), ("s1", "b", "x")], ["session_id", "item_id", "kind"])
    write(tmp_path / "buys.csv", [("s1", "z", START)], ["session_id", "item_id", "date"])
    made = run(tmp_path / "views.csv", tmp_path / "ws", join=tmp_path / "buys.csv", on="session_id")
    assert read_sequences(made.folder) == {"s1": ["a", "b"]}
    bought = run(
        tmp_path / "views.csv", tmp_path / "ws", name="b", join=tmp_path / "buys.csv", on="session_id",
        item_column="buys.item_id", duplicates="keep",
    )  # fmt: skip
    assert read_sequences(bought.folder) == {"s1": ["z", "z"]}


def test_rows_without_a_match_are_counted_and_told(tmp_path: Path) -> None:
    products, orders = files(tmp_path)
    products.write_text(products.read_text() + "o9,x\no8,y\n,z\n")
    made = run(products, tmp_path / "ws", join=orders, on="order_id")
    assert read_sequences(made.folder) == EXPECTED
    told = "3 of 8 rows of products.csv were left out: their order_id is not in orders.csv, such as 'o8', 'o9'"
    assert told in made.warnings
    write(tmp_path / "other.csv", [("x1", "ann", START)], ["order_id", "user_id", "order_date"])
    with pytest.raises(InputError, match=r"no order_id \('o1', 'o2', 'o3', ...\) stands in other.csv \('x1', ...\)"):
        run(products, tmp_path / "ws", join=tmp_path / "other.csv", on="order_id")


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    products, orders = files(tmp_path)
    with pytest.raises(UsageError, match="needs the column both files have"):
        run(products, tmp_path / "ws", join=orders)
    with pytest.raises(UsageError, match="--on says what --join is"):
        run(products, tmp_path / "ws", on="order_id")
    with pytest.raises(InputError, match=r"orders.csv has no column 'x' to join on, it has: order_id, user_id"):
        run(products, tmp_path / "ws", join=orders, on="order_id=x")
    with pytest.raises(InputError, match="order_id 'o1' stands in 2 rows, expected one"):
        run(orders, tmp_path / "ws", join=products, on="order_id")
    orders.write_text(orders.read_text() + "o1,zoe,1,2,3\n")
    with pytest.raises(InputError, match=r"orders.csv cannot be read"):
        run(products, tmp_path / "ws", join=orders, on="order_id")


def test_bad_rows_of_the_events_keep_their_lines(tmp_path: Path) -> None:
    products, orders = files(tmp_path)
    products.write_text(products.read_text() + "o1,\n")
    with pytest.raises(InputError, match=r"products.csv, line 7, column 'product_id': expected the id of an item"):
        run(products, tmp_path / "ws", join=orders, on="order_id")
    products.write_text(products.read_text() + "o1,e,too,many\n")
    made = run(products, tmp_path / "ws", join=orders, on="order_id", on_bad_row="skip")
    assert read_sequences(made.folder) == EXPECTED
    assert "2 bad rows were left out of 7" in made.warnings


def test_lists_beside_orders(tmp_path: Path) -> None:
    lines = [
        {"order_id": "o1", "items": ["c", "d"]},
        {"order_id": "o2", "items": ["a", "b"]},
        {"order_id": "o3", "items": ["a"]},
    ]
    (tmp_path / "baskets.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    orders = write(tmp_path / "orders.csv", [*ORDERS], ["order_id", "user_id", "order_date"])
    made = run(tmp_path / "baskets.jsonl", tmp_path / "ws", join=orders, on="order_id")
    assert read_sequences(made.folder) == EXPECTED


def test_an_update_and_todays_events_are_joined_again_or_say_what_is_missing(tmp_path: Path) -> None:
    products, orders = files(tmp_path)
    folder = run(products, tmp_path / "ws", join=orders, on="order_id").folder
    (tmp_path / "night").mkdir()
    names = ["order_id", "user_id", "order_date"]
    night = write(tmp_path / "night" / "night.csv", [("o4", "e")], ["order_id", "product_id"])
    with pytest.raises(
        InputError, match=r"was read with orders.csv joined to its events, which is not beside"
    ) as caught:
        run(night, tmp_path / "ws", update=folder)
    assert "--join FILE" in caught.value.hint
    newest = write(tmp_path / "night" / "orders.csv", [("o4", "ben", START + 20)], names)
    made = run(night, tmp_path / "ws", update=folder)
    assert any("as orders.csv was before" in note for note in made.notes)
    assert read_sequences(folder) == {**EXPECTED, "ben": ["a", "e"]}
    assert read_newest_events(night, made.manifest).rows() == [("ben", "e")]
    newest.rename(tmp_path / "night" / "o.csv")
    with pytest.raises(InputError, match="not beside"):
        read_newest_events(night, made.manifest)
    write(night, [("o5", "f")], ["order_id", "product_id"])
    write(tmp_path / "night" / "o.csv", [("o5", "ann", START + 30)], names)
    run(night, tmp_path / "ws", update=folder, join=tmp_path / "night" / "o.csv")
    assert read_sequences(folder)["ann"] == ["a", "b", "c", "d", "f"]


KEYS = st.sampled_from(["1", "1.0", " 2", "3", "k", "", "nan"])


@given(
    st.lists(st.tuples(KEYS, st.sampled_from("abcd")), min_size=1, max_size=12),
    st.dictionaries(st.sampled_from(["1", "2", "3.0", "k"]), st.tuples(st.sampled_from("uvw"), st.integers(0, 3))),
)
@settings(max_examples=tries(20), deadline=None)
def test_a_join_is_a_look_up(tmp_path_factory: pytest.TempPathFactory, events: list, orders: dict) -> None:
    folder = tmp_path_factory.mktemp("join")
    write(folder / "e.parquet", events, ["order_id", "item_id"])
    told = {key.removesuffix(".0"): order for key, order in orders.items()}
    found = [(told.get(key.strip().removesuffix(".0")), item) for key, item in events]
    expected: dict[str, list[str]] = {}
    # Sorting is stable: events of one time stay in the order of the rows.
    for (user, _), item in sorted((entry for entry in found if entry[0]), key=lambda entry: entry[0]):
        expected.setdefault(user, []).append(item)
    if not orders or not expected:
        return
    rows = [(key, user, START + time) for key, (user, time) in orders.items()]
    write(folder / "o.csv", rows, ["order_id", "user_id", "timestamp"])
    made = run(folder / "e.parquet", folder / "ws", join=folder / "o.csv", on="order_id", duplicates="keep")
    assert read_sequences(made.folder) == expected
