"""Of columns that share a name the one that was asked for is read, from the first file and from every later one."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run

pytestmark = pytest.mark.usefixtures("in_shell")

SHARED = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rating": "rating"}


def write(path: Path, header: list[str], night: int) -> Path:
    """Write two rows; a column holds its place from 1 and its role, so that no two hold the same."""
    rows = []
    for row in range(2):
        values = {
            name: [f"{name[0]}{place}-{row}" for place in range(1, 9)] for name in ("user_id", "item_id", "itemId")
        }
        values |= {"timestamp": [str(START + 10 * night + place) for place in range(1, 9)]}
        values |= {"rating": [str(place % 5 + 1) for place in range(1, 9)]}
        rows.append(",".join(values[name][place] for place, name in enumerate(header)))
    path.write_text("\n".join([",".join(header), *rows]) + "\n")
    return path


@pytest.mark.parametrize("role", ["user", "item"])
@pytest.mark.parametrize("place", range(3))
def test_no_column_is_taken_for_another_of_its_name(tmp_path: Path, role: str, place: int) -> None:
    header = ["user_id", "item_id", "timestamp"]
    header.insert(place, SHARED[role])
    first = write(tmp_path / "1.csv", header, 1)
    both = [number + 1 for number, name in enumerate(header) if name == SHARED[role]]
    with pytest.raises(InputError, match=rf"column {both[0]}, .* and column {both[1]}, .* could each be the {role}"):
        run(first, tmp_path / "ws")
    for chosen in both:
        folder = run(first, tmp_path / f"ws{chosen}", **{f"{role}_column": chosen}).folder
        run(write(tmp_path / "2.csv", header, 2), tmp_path / f"ws{chosen}", update=folder)
        found = read_sequences(folder)
        ids = set(found) if role == "user" else {item for items in found.values() for item in items}
        assert ids == {f"{SHARED[role][0]}{chosen}-{row}" for row in range(2)}
        for other in permutations(header):
            if other[chosen - 1] != SHARED[role]:
                with pytest.raises(InputError, match=f"expected {SHARED[role]} in column {chosen}"):
                    run(write(tmp_path / "3.csv", list(other), 3), tmp_path / f"ws{chosen}", update=folder)
                break


def test_names_that_mean_the_same_are_told_apart_too(tmp_path: Path) -> None:
    source = write(tmp_path / "1.csv", ["user_id", "itemId", "item_id", "timestamp"], 1)
    with pytest.raises(InputError, match=r"column 2, itemId .* and column 3, item_id .* could each be the item"):
        run(source, tmp_path / "ws")
    assert read_sequences(run(source, tmp_path / "ws", item_column="item_id").folder)["u1-0"] == ["i3-0"]


def test_ratings_that_nothing_reads_may_be_several(tmp_path: Path) -> None:
    source = write(tmp_path / "1.csv", ["user_id", "item_id", "rating", "rating", "timestamp"], 1)
    assert len(read_sequences(run(source, tmp_path / "ws").folder)) == 2
    with pytest.raises(InputError, match="could each be the rating"):
        run(source, tmp_path / "other", min_rating=1)


def write_records(path: Path, records: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame(records).write_parquet(path)
    else:
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def items_of(folder: Path) -> set[str]:
    return {item for items in read_sequences(folder).values() for item in items}


@pytest.mark.parametrize("asked", ["2", "3"])
def test_nor_is_a_list_of_text_taken_for_another_of_its_name(tmp_path: Path, asked: str) -> None:
    rows = [f"u{user},a{user} b{user},x{user} y{user},{START} {START + 1}" for user in range(6)]
    source = tmp_path / "1.csv"
    source.write_text("\n".join(["user_id,items,items,times", *rows]) + "\n")
    with pytest.raises(InputError, match=r"column 2, items, and column 3, items, could each be the item") as told:
        run(source, tmp_path / "ws")
    assert told.value.hint.endswith("--item-column 2")
    with pytest.raises(InputError, match="2 columns 'items' for the item"):
        run(source, tmp_path / "ws", item_column="items")
    folder = run(source, tmp_path / "ws", item_column=asked).folder
    assert {item[0] for item in items_of(folder)} == set("ab" if asked == "2" else "xy")
    more = tmp_path / "2.csv"
    more.write_text(f"user_id,items,items,times\nu9,a9 b9,x9 y9,{START} {START + 1}\n")
    run(more, tmp_path / "ws", update=folder)
    assert {item[0] for item in items_of(folder)} == set("ab" if asked == "2" else "xy")


LISTS: dict[str, list[dict[str, Any]]] = {
    "items,Items": [{"user_id": f"u{u}", "items": [f"a{u}", "b"], "Items": [f"x{u}", "y"]} for u in range(6)],
    "item_id,itemId": [{"user_id": f"u{u}", "item_id": [f"a{u}", "b"], "itemId": [f"x{u}", "y"]} for u in range(6)],
    "a.items,b.items": [
        {"user_id": f"u{u}", "a": {"items": [f"a{u}", "b"]}, "b": {"items": [f"x{u}", "y"]}} for u in range(6)
    ],
    "bought.item_id,seen.item_id": [
        {"user_id": f"u{u}", "bought": [{"item_id": f"a{u}"}, {"item_id": "b"}], "seen": [{"item_id": f"x{u}"}]}
        for u in range(6)
    ],
}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("names", LISTS)
def test_nor_is_a_list_for_another_whose_name_means_the_same(tmp_path: Path, names: str, ending: str) -> None:
    source = write_records(tmp_path / f"1.{ending}", LISTS[names])
    first, second = names.split(",")
    with pytest.raises(InputError, match=rf"column (2, )?{first},? and column (3, )?{second},? could each be the item"):
        run(source, tmp_path / "ws")
    assert items_of(run(source, tmp_path / "ws", item_column=first).folder) >= {"a0", "b"}
    assert items_of(run(source, tmp_path / "ws2", item_column=second).folder) >= {"x0"}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_list_that_is_a_column_comes_before_one_within_an_object(tmp_path: Path, ending: str) -> None:
    records = [{"user_id": f"u{u}", "items": [f"a{u}", "b"], "more": {"items": [f"x{u}", "y"]}} for u in range(6)]
    assert items_of(run(write_records(tmp_path / f"1.{ending}", records), tmp_path / "ws").folder) >= {"a0", "b"}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("names", "taken"),
    [(("times", "timestamps"), ""), (("order_date", "event_date"), ""), (("order_date", "timestamps"), "timestamps")],
)
def test_lists_of_times_are_told_apart_as_columns_are(
    tmp_path: Path, names: tuple[str, str], taken: str, ending: str
) -> None:
    records = [
        {"user_id": f"u{u}", "items": ["a", "b"], names[0]: [START, START + 1], names[1]: [START + 9, START + 8]}
        for u in range(6)
    ]
    source = write_records(tmp_path / f"1.{ending}", records)
    if not taken:
        with pytest.raises(InputError, match=rf"3, {names[0]}, and column 4, {names[1]}, could each be the time"):
            run(source, tmp_path / "ws")
        assert read_sequences(run(source, tmp_path / "rows", timestamp_unit="order").folder)["u0"] == ["a", "b"]
    folder = run(source, tmp_path / "ws", timestamp_column=taken or names[1]).folder
    assert read_sequences(folder)["u0"] == ["b", "a"]
    if taken:
        assert read_sequences(run(source, tmp_path / "found").folder)["u0"] == ["b", "a"]


def test_an_item_file_has_one_column_of_ids_and_says_what_it_reads_of_others(tmp_path: Path) -> None:
    source = write(tmp_path / "1.csv", ["user_id", "item_id", "timestamp"], 1)
    both = tmp_path / "both.csv"
    both.write_text("item_id,item_id,title\ni2-0,i2-1,One\ni2-1,i2-0,Two\n")
    with pytest.raises(InputError, match=r"column 1, item_id, and column 2, item_id, could each hold the ids") as told:
        run(source, tmp_path / "ws", items=both)
    assert told.value.hint.endswith("--items-column 1")
    for column, title in ((1, "One"), (2, "Two")):
        items = pl.read_parquet(
            run(source, tmp_path / f"ws{column}", items=both, items_column=column).folder / "items.parquet"
        )
        assert items.filter(pl.col("item_id") == "i2-0")["title"].to_list() == [title]
    some = tmp_path / "some.csv"
    some.write_text("item_id,title,title,colour,colour,colour\ni2-0,A,B,1,2,3\ni2-1,C,D,4,5,6\n")
    made = run(source, tmp_path / "ws", items=some)
    assert any("only the first is read: 'title', 'colour'" in note for note in made.notes)
    items = pl.read_parquet(made.folder / "items.parquet").filter(pl.col("item_id") == "i2-0")
    assert items.columns[3:] == ["title", "colour"]
    assert [str(value) for value in items.row(0)[3:]] == ["A", "1"]
