"""Small files that went wrong once, each of a kind, with what must come of them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.errors import InputError
from tests.data.table_files import START, history, read_sequences, run, write_csv

SHOP = "customer,sku,bought_at\nc1,a,2024-01-01\nc1,b,2024-01-02\nc1,c,2024-01-03\nc2,b,2024-01-01\nc2,c,2024-01-02\n"
NAMES = {"user_column": "customer", "item_column": "sku", "timestamp_column": "bought_at"}


@pytest.mark.parametrize("named", [True, False])
def test_a_shop_with_text_ids_dates_and_titles(tmp_path: Path, named: bool) -> None:
    (tmp_path / "shop.csv").write_text(SHOP + "c2,a,2024-01-04\n")
    (tmp_path / "products.csv").write_text("sku,title,category\na,Apple,fruit\nb,Bread,bakery\nc,Cheese,dairy\n")
    made = run(tmp_path / "shop.csv", tmp_path / "ws", items=tmp_path / "products.csv", **(NAMES if named else {}))
    assert read_sequences(made.folder) == {"c1": ["a", "b", "c"], "c2": ["b", "c", "a"]}
    assert pl.read_parquet(made.folder / "items.parquet")["title"].to_list() == ["Apple", "Bread", "Cheese"]


def test_rows_out_of_order_with_a_date_of_orders(tmp_path: Path) -> None:
    lines = ["u0,it1,2021-12-07 06:00:00", "u0,it2,2021-12-13 12:00:00", "u0,it3,2021-12-04 03:00:00"]
    (tmp_path / "log.csv").write_text("customer_id,product_id,order_date\n" + "\n".join(lines) + "\n")
    assert read_sequences(run(tmp_path / "log.csv", tmp_path / "ws").folder) == {"u0": ["it3", "it1", "it2"]}
    pl.read_csv(tmp_path / "log.csv").write_parquet(tmp_path / "log.parquet")
    assert read_sequences(run(tmp_path / "log.parquet", tmp_path / "ws").folder) == {"u0": ["it3", "it1", "it2"]}


def test_users_and_items_do_not_change_places_with_a_night(tmp_path: Path) -> None:
    rows = [(item, user, time) for user, item, time in history("ann", ["pen", "ink"]) + history("bob", ["pen"])]
    columns = {"item_column": 1, "user_column": 2, "timestamp_column": 3}
    made = run(write_csv(tmp_path / "sales.csv", rows, ""), tmp_path / "ws", **columns).folder
    night = [("hat", "ann", START + 9000), ("hat", "bob", START + 9001)]
    run(write_csv(tmp_path / "monday.csv", night, ""), tmp_path / "ws", update=made)
    assert read_sequences(made) == {"ann": ["pen", "ink", "hat"], "bob": ["pen", "hat"]}


def test_sessions_stay_the_users_of_a_night(tmp_path: Path) -> None:
    header = "user_id,session_id,item_id,timestamp"
    rows = [("ann", "s1", "a", START), ("ann", "s1", "b", START + 1), ("ann", "s2", "c", START + 2)]
    made = run(write_csv(tmp_path / "s.csv", rows, header), tmp_path / "ws", user_column="session_id").folder
    run(write_csv(tmp_path / "s2.csv", [("ann", "s2", "d", START + 3)], header), tmp_path / "ws", update=made)
    assert read_sequences(made) == {"s1": ["a", "b"], "s2": ["c", "d"]}


def test_a_night_keeps_to_the_column_that_was_named_where_another_is_customary(tmp_path: Path) -> None:
    def rows(day: int) -> list[tuple[object, ...]]:
        return [(f"u{n}", f"P{n}X", f"i{n}", START + day - 5000, START + day) for n in range(5)]

    header = "customer_id,product_id,sku,created_at,paid_at"
    source = write_csv(tmp_path / "shop.csv", rows(0), header)
    with pytest.raises(InputError, match=r"created_at \(.*\) and paid_at \(.*\) could each be the time"):
        run(source, tmp_path / "ws")
    made = run(source, tmp_path / "ws", item_column="sku", timestamp_column="paid_at").folder
    result = run(write_csv(tmp_path / "today.csv", rows(1), header), tmp_path / "ws", update=made)
    assert read_sequences(made) == {f"u{n}": [f"i{n}", f"i{n}"] for n in range(5)}
    assert result.manifest.statistics["first_time"] == "2014-05-13T16:53:20Z"


def test_a_spreadsheet_of_dates_with_points(tmp_path: Path) -> None:
    lines = ["Kunde;Artikel;Datum;Menge", "Kündin;Birne;28.02.2024 12:15;1", "Kündin;Милк;11.01.2024 8:15;1"]
    source = tmp_path / "spreadsheet.csv"
    source.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
    columns = {"user_column": "Kunde", "item_column": "Artikel", "timestamp_column": "Datum"}
    result = run(source, tmp_path / "ws", **columns)
    assert read_sequences(result.folder) == {"Kündin": ["Милк", "Birne"]}
    assert result.manifest.statistics["first_time"] == "2024-01-11T08:15:00Z"


def test_times_with_utc_behind_american_times_and_dates_as_numbers(tmp_path: Path) -> None:
    for times, first, last in (
        (["2019-10-01 00:00:05 UTC", "2019-10-01 00:00:00 UTC"], "2019-10-01T00:00:00Z", "2019-10-01T00:00:05Z"),
        (["12/31/2021 12:00:00 AM", "12/02/2021 01:00:00 PM"], "2021-12-02T13:00:00Z", "2021-12-31T00:00:00Z"),
        (["20211203", "20211202"], "2021-12-02T00:00:00Z", "2021-12-03T00:00:00Z"),
    ):
        rows = [("u1", "b", times[0]), ("u1", "a", times[1])]
        result = run(write_csv(tmp_path / "t.csv", rows), tmp_path / "ws")
        assert read_sequences(result.folder) == {"u1": ["a", "b"]}
        assert (result.manifest.statistics["first_time"], result.manifest.statistics["last_time"]) == (first, last)
