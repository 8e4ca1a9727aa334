"""Titles and categories from files of items, and JSON or Python literals."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.plan import make_plan
from adrec_cli.data.reading.remembered import recall_reading
from adrec_cli.errors import InputError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessResult, preprocess
from tests.data.table_files import START, history, run, write_csv

pytestmark = pytest.mark.usefixtures("in_shell")

ROWS = history("anna", ["a", "b", "c"]) + history("ben", ["b", "é"])


def test_item_files_join_titles_categories_and_the_rest(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "raw/ml-latest-small"
    result = run(folder / "ratings.csv", tmp_path / "ws", items=folder / "movies.csv")
    items = pl.read_parquet(result.folder / "items.parquet")
    assert items.columns == ["item_index", "item_id", "count", "title", "category"]
    assert items.row(0)[3:] == ("Toy Story (1995)", "Adventure|Animation|Children|Comedy|Fantasy")
    assert items["title"].null_count() == 0


@pytest.mark.parametrize(
    ("ratings", "file", "title", "rest"),
    [
        ("raw/recbole/ml-100k/ml-100k.inter", "raw/recbole/ml-100k/ml-100k.item", "Toy Story", ["release_year:token"]),
        pytest.param("ml-1m/interactions.parquet", "raw/ml-1m/movies.dat", None, None, marks=pytest.mark.thorough),
    ],
)
def test_item_files_of_other_forms(
    shared_data: Path, tmp_path: Path, ratings: str, file: str, title: str | None, rest: list[str] | None
) -> None:
    if title is None:
        # Without header or known columns there is nothing to go by: the named data set knows them.
        raw = tmp_path / "raw"
        raw.mkdir()
        for source in (ratings, file):
            (raw / Path(source).name).symlink_to(shared_data / source)
        items = pl.read_parquet(preprocess("ml-1m", workspace=tmp_path / "ws", raw=raw).folder / "items.parquet")
        assert items.filter(pl.col("item_id") == "73")["title"].to_list() == ["Misérables, Les (1995)"]
        return
    result = run(shared_data / ratings, tmp_path / "ws", items=shared_data / file)
    items = pl.read_parquet(result.folder / "items.parquet")
    assert items["title"][0] == title
    assert items.columns[5:] == rest


def test_item_files_in_json_and_python_literals(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "t.csv", ROWS)
    (tmp_path / "i.json").write_text(
        "{'asin': 'a', 'title': \"It's\", 'categories': [['X', 'Y'], ['X', 'Z']], 'price': 1.5}\n{'asin': 'b'}\n"
    )
    result = run(source, tmp_path / "ws", items=tmp_path / "i.json")
    items = pl.read_parquet(result.folder / "items.parquet").select("item_id", "title", "category", "price").rows()
    assert items[0] == ("a", "It's", "X|Y|Z", "1.5")
    assert items[1] == ("b", None, None, None)
    assert result.warnings == ["i.json: says nothing about 2 of 4 items"]


SHOP = history("c1", ["a", "b", "c"]) + history("c2", ["b", "c", "a"])
HEADER = "customer,sku,bought_at"
COLUMNS = {"user_column": "customer", "item_column": "sku", "timestamp_column": "bought_at"}


def read_with(tmp_path: Path, text: str, **options: object) -> PreprocessResult:
    (tmp_path / "products.csv").write_text(text)
    source = write_csv(tmp_path / "shop.csv", SHOP, HEADER)
    return run(source, tmp_path, items=tmp_path / "products.csv", **COLUMNS, **options)


def items_of(result: PreprocessResult) -> dict[str, tuple[object, ...]]:
    table = pl.read_parquet(result.folder / "items.parquet").drop("item_index", "count")
    return {"": tuple(table.columns[1:]), **{row[0]: row[1:] for row in table.rows()}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sku,title\na,Apple\nb,Bread\nc,Cheese\n", "called as in the events"),
        # Another column has a customary name, but the events' own name comes first.
        ("asin,sku,title\nx,a,Apple\ny,b,Bread\nz,c,Cheese\n", "called as in the events"),
        ("title,item_id\nApple,a\nBread,b\nCheese,c\n", "found by its name"),
        # Two customary names: the one whose values match, wherever it stands and however it ranks.
        ("item_id,asin,title\nx,a,Apple\ny,b,Bread\nz,c,Cheese\n", "found by its name"),
        ("asin,item_id,title\nx,a,Apple\ny,b,Bread\nz,c,Cheese\n", "found by its name"),
        ("code,title\na,Apple\nb,Bread\nc,Cheese\n", "the only column whose values match"),
        ("title,code\nApple,a\nBread,b\nCheese,c\n", "the only column whose values match"),
        ("﻿name;code\r\nApple;a\r\nBread;b\r\nCheese;c\r\n", "the only column whose values match"),
    ],
)
def test_the_column_of_ids_is_found(tmp_path: Path, text: str, reason: str) -> None:
    result = read_with(tmp_path, text)
    found = items_of(result)
    assert found.pop("")[0] == "title"
    assert {item: row[0] for item, row in found.items()} == {"a": "Apple", "b": "Bread", "c": "Cheese"}
    assert [note for note in result.notes if "products.csv: ids of items from" in note and reason in note]
    assert result.warnings == []


def test_a_file_without_header_is_read_by_its_values(tmp_path: Path) -> None:
    found = items_of(read_with(tmp_path, "Apple,a,1\nBread,b,2\nCheese,c,3\n"))
    assert found == {"": ("column_1", "column_3"), "a": ("Apple", "1"), "b": ("Bread", "2"), "c": ("Cheese", "3")}


def test_double_colons_are_read_by_their_values_too(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_text("a::Apple::x\nb::Bread::y\nc::Cheese: a tale::z\n")
    result = run(write_csv(tmp_path / "shop.csv", SHOP, HEADER), tmp_path, items=tmp_path / "movies.dat", **COLUMNS)
    assert items_of(result)["c"] == ("Cheese: a tale", "z")


def test_a_named_column_proves_the_header_and_comes_first(tmp_path: Path) -> None:
    text = "sku,Nummer,Ware\nx,a,Apple\ny,b,Bread\nz,c,Cheese\n"
    assert items_of(read_with(tmp_path, text, items_column="Nummer"))["a"] == ("x", "Apple")
    assert items_of(read_with(tmp_path, "Nummer,Ware\na,Apple\nb,Bread\n", items_column="1"))["a"] == ("Apple",)
    with pytest.raises(InputError, match="no column 'Nummern', it has: sku, Nummer, Ware") as refused:
        read_with(tmp_path, text, items_column="Nummern")
    assert "--items-column" in refused.value.hint
    with pytest.raises(UsageError, match="--items-column names a column of the item file"):
        run(tmp_path / "shop.csv", tmp_path, items_column="Nummer", **COLUMNS)


def test_customary_columns_get_one_name(tmp_path: Path) -> None:
    text = "sku,Product Name,genres,Manufacturer,unit_price,colour\na,Apple,x|y,Acme,1.5,red\nb,Bread,z,Baker,2,brown\n"
    found = items_of(read_with(tmp_path, text))
    assert found[""] == ("title", "category", "brand", "price", "colour")
    assert found["a"] == ("Apple", "x|y", "Acme", "1.5", "red")


def test_columns_of_events_never_come_in(tmp_path: Path) -> None:
    rows = [("a", "c1", 1, "u", 2, 3, "red"), ("b", "c2", 1, "u", 2, 3, "blue"), ("b", "c3", 1, "u", 2, 3, "pink")]
    text = "sku,customer,bought_at,user_id,timestamp,rating,colour\n"
    text += "".join(",".join(map(str, row)) + "\n" for row in rows)
    result = read_with(tmp_path, text)
    found = items_of(result)
    assert found == {"": ("colour",), "a": ("red",), "b": ("blue",), "c": (None,)}
    left_out = "columns of events are left out: customer, bought_at, user_id, timestamp, rating"
    assert [note for note in result.notes if left_out in note]
    assert "products.csv: item ids are repeated in 1 row, the first row of each counts" in result.warnings


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sku,title\na,Apple\nx,X\ny,Y\n", "knows 1 of 3 items by its column 'sku', which has 'a', 'x', 'y'", "sku"),
        ("sku,title\nw,W\nx,X\ny,Y\n", "knows 0 of 3 items by its column 'sku', which has 'w', 'x', 'y'", "check that"),
        ("sku,code\n1,a\n2,b\n3,c\n", "knows 0 of 3 items by its column 'sku'", "--items-column code"),
        ("code,name\n1,Apple\n2,Bread\n", "has no column that matches the items of the events, 'a', 'b', 'c'", "code"),
        ("code,ean\na,a\nb,b\n", "has 2 columns that match the items of the events", "--items-column code"),
    ],
)
def test_a_file_of_other_items_is_refused(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_with(tmp_path, text)
    assert hint in refused.value.hint
    assert "'a', 'b', 'c'" in refused.value.message
    assert not (tmp_path / "shop/manifest.json").exists()


def test_what_the_hint_says_works(tmp_path: Path) -> None:
    assert items_of(read_with(tmp_path, "sku,code\n1,a\n2,b\n3,c\n", items_column="code"))["a"] == ("1",)
    few = read_with(tmp_path, "sku,title\na,Apple\nx,X\ny,Y\n", items_column="sku")
    assert items_of(few)["a"] == ("Apple",)
    assert few.warnings == ["products.csv: says nothing about 2 of 3 items"]


def test_filters_may_leave_what_the_file_knows(tmp_path: Path) -> None:
    rows = SHOP + history("c3", [f"rare{number}" for number in range(10)])
    (tmp_path / "products.csv").write_text("sku,title\na,Apple\nb,Bread\nc,Cheese\n")
    source = write_csv(tmp_path / "shop.csv", rows, HEADER)
    result = run(source, tmp_path, items=tmp_path / "products.csv", min_item_interactions=2, **COLUMNS)
    assert result.manifest.statistics["items"] == 3


def test_updates_go_on_with_what_the_item_file_said(tmp_path: Path) -> None:
    text = "sku,Nummer,Ware,title\nx,a,rot,Apple\ny,b,braun,Bread\nz,c,gelb,Cheese\n"
    first = read_with(tmp_path, text, items_column="Nummer")
    assert first.manifest.reading["items"]["name"] == "products.csv"
    assert first.manifest.reading["items"]["columns"] == {"item_id": "Nummer", "title": "title"}
    night = write_csv(tmp_path / "1.csv", history("c1", ["d"], START + 600), HEADER)
    found = items_of(run(night, tmp_path, update=first.folder))
    assert (found["a"], found["d"]) == (("Apple", "x", "rot"), (None, None, None))
    # Only new goods: few of all items, but all of the file.
    (tmp_path / "new.csv").write_text("sku,Nummer,Ware,title\nv,d,blau,Dates\n")
    night = write_csv(tmp_path / "2.csv", history("c1", ["a", "b", "c"], START + 900), HEADER)
    found = items_of(run(night, tmp_path, update=first.folder, items=tmp_path / "new.csv"))
    assert (found["a"], found["d"]) == (("Apple", "x", "rot"), ("Dates", "v", "blau"))
    night = write_csv(tmp_path / "3.csv", history("c1", ["a"], START + 1200), HEADER)
    (tmp_path / "other.csv").write_text("sku,Nummer,Ware,title\nv,q,blau,Quinces\n")
    with pytest.raises(InputError, match="knows 0 of 1 item by its column 'Nummer'"):
        run(night, tmp_path, update=first.folder, items=tmp_path / "other.csv")
    later = run(night, tmp_path, update=first.folder)
    assert later.manifest.reading["items"]["name"] == "new.csv"
    assert items_of(later)["d"] == ("Dates", "v", "blau")


def update_with(tmp_path: Path, beside: dict[str, str]) -> PreprocessResult:
    """Make a data set with a file of items, and add a night that brings the new item d, with these files beside it."""
    made = read_with(tmp_path, "sku,title\na,Apple\nb,Bread\nc,Cheese\n")
    night = tmp_path / "night"
    night.mkdir()
    for name, text in beside.items():
        (night / name).write_text(text)
    source = write_csv(night / "1.csv", history("c1", ["d"], START + 600), HEADER)
    return run(source, tmp_path, update=made.folder)


def test_an_update_reads_the_item_file_beside_it(tmp_path: Path) -> None:
    result = update_with(
        tmp_path, {"products.csv": "sku,title\nd,Dates\na,Apricot\n", "other.csv": "sku,title\nd,Drill\n"}
    )
    assert items_of(result)["d"] == ("Dates",)
    assert items_of(result)["b"] == ("Bread",), "what it does not say was said before"
    read = tmp_path / "night/products.csv"
    assert f"{read}, beside the new file, is read for the items, as products.csv was before" in result.notes


@pytest.mark.parametrize("beside", [{}, {"products.tsv": "sku\ttitle\nd\tDates\n"}], ids=["none", "another name"])
def test_an_update_without_an_item_file_beside_it_says_nothing_of_one(tmp_path: Path, beside: dict[str, str]) -> None:
    result = update_with(tmp_path, beside)
    assert items_of(result)["d"] == (None,)
    assert items_of(result)["a"] == ("Apple",)
    assert not [note for note in result.notes if "is read for the items" in note]


def test_a_folder_of_the_name_is_no_item_file_and_a_file_of_events_is_not_read_twice(tmp_path: Path) -> None:
    made = read_with(tmp_path, "sku,title\na,Apple\nb,Bread\nc,Cheese\n")
    remembered = recall_reading(read_manifest(made.folder))
    (tmp_path / "night/products.csv").mkdir(parents=True)
    (tmp_path / "day").mkdir()
    for path in (tmp_path / "night/1.csv", tmp_path / "day/products.csv", tmp_path / "day/2.csv"):
        write_csv(path, history("c1", ["d"], START + 600), HEADER)
    read = {}
    for source in ("night/1.csv", "day/products.csv", "day/*.csv", "day/2.csv"):
        plan = make_plan(
            str(tmp_path / source), workspace=tmp_path, raw=None, options=PreprocessOptions(), on_event=print,
            remembered=remembered,
        )  # fmt: skip
        read[source] = None if plan.item is None else str(plan.item.path.relative_to(tmp_path))
        assert any("is read for the items" in note for note in plan.notes) is (plan.item is not None)
    assert read == {
        "night/1.csv": None, "day/products.csv": None, "day/*.csv": None, "day/2.csv": "day/products.csv",
    }  # fmt: skip
