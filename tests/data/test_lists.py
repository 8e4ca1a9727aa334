"""Lists of items in every form of file become events, with their times, or are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.reading.list_cells import find_cells, parse_list
from tests.data.table_files import START, read_bounds, read_sequences, refusal, run

pytestmark = pytest.mark.usefixtures("in_shell")

ROWS: list[tuple[str, list[str], list[int]]] = [
    ("u1", ["b", "a", "c"], [START + 2, START + 1, START + 3]),
    ("u2", ["c"], [START]),
    ("u3", [], []),
]
BY_TIME = {"u1": ["a", "b", "c"], "u2": ["c"]}
BY_PLACE = {"u1": ["b", "a", "c"], "u2": ["c"]}


def write(path: Path, *, item: str = "items", time: str | None = "timestamps", cells: str = "json") -> Path:
    """Write the rows; for text `cells` says how their lists look."""
    names = ["user_id", item, *([] if time is None else [time])]
    rows = [dict(zip(names, row, strict=False)) for row in ROWS]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    elif path.suffix == ".parquet":
        schema = {"user_id": pl.String, item: pl.List(pl.String), time or "": pl.List(pl.Int64)}
        pl.DataFrame(rows, schema={name: schema[name] for name in names}).write_parquet(path)
    else:
        text = [{name: shown(value, cells) for name, value in row.items()} for row in rows]
        pl.DataFrame(text).write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


def shown(value: Any, cells: str) -> str:
    if not isinstance(value, list):
        return str(value)
    if cells in ("json", "python"):
        return json.dumps(value) if cells == "json" else repr(value)
    if cells == "numpy":
        return "[" + " ".join(repr(entry) for entry in value) + "]"
    return cells.join(map(str, value))


CELLS = ["json", "python", "numpy", "|", ",", ";", " "]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize(("time", "expected"), [("timestamps", BY_TIME), ("ts", BY_TIME), (None, BY_PLACE)])
@pytest.mark.parametrize("item", ["items", "item_id", "sequence"])
def test_lists_of_types(tmp_path: Path, ending: str, time: str | None, expected: object, item: str) -> None:
    source = write(tmp_path / f"rows.{ending}", item=item, time=time)
    assert read_sequences(run(source, tmp_path / "ws").folder) == expected


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize(("time", "expected"), [("timestamps", BY_TIME), (None, BY_PLACE)])
def test_lists_in_cells_of_text(tmp_path: Path, ending: str, cells: str, time: str | None, expected: object) -> None:
    source = write(tmp_path / f"rows.{ending}", time=time, cells=cells)
    made = run(source, tmp_path / "ws")
    assert read_sequences(made.folder) == expected
    assert any(note.startswith("column 'items' holds lists of items") for note in made.notes)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_names_that_say_nothing_are_given(tmp_path: Path, ending: str) -> None:
    source = write(tmp_path / f"rows.{ending}", item="basket", time="when")
    options = {"user_column": "user_id", "item_column": "basket"}
    made = run(source, tmp_path / "ws", timestamp_column="when", **options)
    assert read_sequences(made.folder) == BY_TIME
    assert "nonexistent" in refusal(source, timestamp_column="nonexistent", **options).message
    assert "rating" in refusal(source, timestamp_column="when", min_rating=3, **options).message


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_a_time_beside_the_list_is_the_time_of_all_its_items(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame(
        {"user_id": [1, 2, 1], "item_id": [["a", "b"], ["c", "a", "b"], ["c"]], "timestamp": [7, 5, 6]}
    )
    frame = frame.with_columns(pl.col("timestamp") + START)
    source = tmp_path / f"baskets.{ending}"
    if ending == "csv":
        frame.with_columns(pl.Series("item_id", [json.dumps(v) for v in frame["item_id"].to_list()])).write_csv(source)
    else:
        (frame.write_parquet if ending == "parquet" else frame.write_ndjson)(source)
    made = run(source, tmp_path / "ws")
    assert read_sequences(made.folder) == {"1": ["c", "a", "b"], "2": ["c", "a", "b"]}
    assert made.manifest.statistics["interactions"] == 6


OTTO = """{"session":1,"events":[{"aid":11,"ts":1659304904511,"type":"carts"},{"aid":12,"ts":1659304800025,"type":"a"}]}
{"session":2,"events":[{"aid":11,"ts":1659304800026,"type":"clicks"}]}
"""


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_events_in_objects(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"otto.{ending}"
    (tmp_path / "otto.jsonl").write_text(OTTO)
    if ending == "parquet":
        pl.read_ndjson(tmp_path / "otto.jsonl").write_parquet(source)
    expected = {"1": ["12", "11"], "2": ["11"]}
    named = {"user_column": "session", "item_column": "events.aid", "timestamp_column": "events.ts"}
    assert read_sequences(run(source, tmp_path / "ws").folder) == expected
    made = run(source, tmp_path / "ws", name="named", **named)
    assert read_sequences(made.folder) == expected
    assert made.manifest.reading["columns"] == {"user": "session", "item": "events.aid", "timestamp": "events.ts"}
    error = refusal(source, item_column="events")
    assert "column 'events' holds objects of aid, ts, type, expected one value for the item" in error.message
    assert "--item-column events.aid" in error.hint
    (tmp_path / "user.jsonl").write_text('{"user": {"id": 7, "name": "x"}, "item_id": "a"}\n')
    assert "holds objects of id, name" in refusal(tmp_path / "user.jsonl", user_column="user").message
    single = run(tmp_path / "user.jsonl", tmp_path / "ws", user_column="user.id")
    assert read_sequences(single.folder) == {"7": ["a"]}


def test_all_objects_in_the_place_of_values_are_told_at_once(tmp_path: Path) -> None:
    source = tmp_path / "nested.jsonl"
    source.write_text('{"user": {"name": "x", "id": 7}, "product": {"title": "t", "product_id": "a"}, "ts": 1}\n')
    error = refusal(source, user_column="user", item_column="product")
    assert "column 'user' holds objects of name, id and column 'product' holds objects of title," in error.message
    assert error.hint.endswith("--user-column user.id --item-column product.product_id")
    named = {"user_column": "user.id", "item_column": "product.product_id", "timestamp_unit": "order"}
    assert read_sequences(run(source, tmp_path / "ws", **named).folder) == {"7": ["a"]}


def test_a_row_whose_lists_differ_in_length_is_named(tmp_path: Path) -> None:
    lines = [
        {"user_id": "u", "items": ["a"], "timestamps": [START]},
        {"user_id": "v", "items": ["a"], "timestamps": []},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    pl.DataFrame(lines).write_parquet(tmp_path / "t.parquet")
    assert "t.jsonl, line 2, column 'items': expected lists of one length" in refusal(tmp_path / "t.jsonl").message
    assert "t.parquet, row 2, column 'items': expected lists of one length" in refusal(tmp_path / "t.parquet").message
    made = run(tmp_path / "t.jsonl", tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(made.folder) == {"u": ["a"]}
    assert made.warnings[0] == "1 bad row was left out of 2"


def test_what_is_no_list_among_lists_is_a_bad_row(tmp_path: Path) -> None:
    lines = [
        '{"user_id": "u", "items": ["a", "b"]}',
        '{"user_id": "v", "items": "a"}',
        '{"user_id": "w", "items": null}',
        '{"user_id": "x", "items": ["c"]}',
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines) + "\n")
    assert "line 2: expected a list of items, got '\"a\"'" in refusal(tmp_path / "t.jsonl").message
    skipped = run(tmp_path / "t.jsonl", tmp_path / "ws", on_bad_row="skip")
    assert read_sequences(skipped.folder) == {"u": ["a", "b"], "x": ["c"]}
    rows = [f'u{n},"[1, 2]"' for n in range(300)] + ["v,3", 'w,"[4, 5, ...]"']
    (tmp_path / "t.csv").write_text("user_id,items\n" + "\n".join(rows) + "\n")
    assert "line 302, column 'items': expected a list" in refusal(tmp_path / "t.csv").message
    # A list in a column of single items is none of its ids.
    (tmp_path / "s.csv").write_text('user_id,item_id\nu,a\nu,"[""a"", ""b""]"\n')
    assert (
        "line 3, column 'item_id': expected the id of an item: one id, not a list"
        in refusal(tmp_path / "s.csv").message
    )


def test_a_user_with_several_rows_and_no_times(tmp_path: Path) -> None:
    """MIND's behaviors.tsv says a user's history again with every impression."""
    lines = ["1\tU1\tnow\tN5 N4 N5", "2\tU2\tnow\tN4", "3\tU1\tnow\tN5 N4 N5", "4\tU3\tnow\t"]
    (tmp_path / "behaviors.tsv").write_text("\n".join(lines) + "\n")
    options = {"user_column": 2, "item_column": 4}
    made = run(tmp_path / "behaviors.tsv", tmp_path / "ws", **options)
    assert read_sequences(made.folder) == {"U1": ["N5", "N4", "N5"], "U2": ["N4"]}
    # Of several users the one whose rows begin first is named, with the first two that differ.
    differing = ["5\tU2\tnow\tN6 N4", "6\tU1\tnow\tN9 N8", "7\tU2\tnow\tN7 N4", "8\tU1\tnow\tN7 N5"]
    for more, named in (
        (differing, "'U1' has several rows of items that differ, such as 1 and 6"),
        (differing[::2], "'U2' has several rows of items that differ, such as 2 and 5"),
        (["5\tU1\tnow\tN9 N8"], "'U1' has several rows of items that differ, such as 1 and 5"),
    ):
        (tmp_path / "behaviors.tsv").write_text("\n".join([*lines, *more]) + "\n")
        assert f"user {named}" in refusal(tmp_path / "behaviors.tsv", **options).message
    made = run(tmp_path / "behaviors.tsv", tmp_path / "ws", name="ordered", timestamp_unit="order", **options)
    assert read_sequences(made.folder)["U1"] == ["N5", "N4", "N5", "N9", "N8"]


def test_an_update_takes_lists_as_the_first_file_wrote_them(tmp_path: Path) -> None:
    header = "user_id,items,timestamps\n"
    (tmp_path / "a.csv").write_text(header + f"u,1|2,{START}|{START + 1}\n")
    (tmp_path / "b.csv").write_text(
        header + f"u,3,{START + 2}\nv,4,{START}\nw,5,{START}\nu,6|7,{START + 3}|{START + 4}\n"
    )
    folder = run(tmp_path / "a.csv", tmp_path / "ws").folder
    assert read_sequences(run(tmp_path / "b.csv", tmp_path / "ws", update=folder).folder) == {
        "u": ["1", "2", "3", "6", "7"], "v": ["4"], "w": ["5"]
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
def test_held_out_items_of_lists(tmp_path: Path, ending: str) -> None:
    rows = [{"user_id": 1, "train": ["a", "b"], "val": ["c"], "test": ["d", "e"]}]
    rows += [{"user_id": 2, "train": ["a"], "val": [], "test": []}]
    source = tmp_path / f"t.{ending}"
    frame = pl.DataFrame(rows, schema_overrides={name: pl.List(pl.String) for name in ("train", "val", "test")})
    if ending == "csv":
        frame.with_columns(pl.col("train", "val", "test").list.join("|")).write_csv(source)
    else:
        (frame.write_parquet if ending == "parquet" else frame.write_ndjson)(source)
    made = run(source, tmp_path / "ws")
    assert read_sequences(made.folder) == {"1": ["a", "b", "c", "d", "e"], "2": ["a"]}
    assert read_bounds(made.folder) == {"1": (2, 3), "2": (1, 1)}


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5), max_size=5))
def test_lists_as_json_and_python_write_them_are_read_back(entries: list[str]) -> None:
    assert parse_list(json.dumps(entries)) == entries
    assert parse_list(repr(entries)) == entries
    assert parse_list("[" + " ".join(map(repr, entries)) + "]") == entries


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader_of_lists(text: str) -> None:
    parse_list(text)
    assert parse_list(f"[{text}]") is None or "..." not in text.split()


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (["Müsli 500 g", "Crème fraîche"], "value"),
        (["12,5", "3,1"], ","),
        (["N5 N4", "N5"], " "),
        (["a|b", "c"], "|"),
        (["[deleted]", "x"], "value"),
        (["[deleted]", "[removed]"], "value"),
        (["[a, b]", "[c]"], "bracketed"),
        (["[1, 2]", ""], "bracketed"),
        (["", " "], "value"),
    ],
)
def test_what_cells_of_an_item_column_hold(values: list[str], cells: str) -> None:
    assert find_cells(values, is_list_name=False, is_asked=True) == cells
    assert find_cells(values, is_list_name=False, is_asked=False) == (cells if cells == "bracketed" else "value")


MOMENTS = {
    "2024-01-02 10:00:00": "2024-01-02T10:00:00Z",
    "1/2/2024 9:05:58 AM": "2024-01-02T09:05:58Z",
    "Tue Jan 02 10:00:00 +0000 2024": "2024-01-02T10:00:00Z",
    "2 Jan 2024": "2024-01-02T00:00:00Z",
    "Jan 2, 2024": "2024-01-02T00:00:00Z",
    "2024-01-02, 10:00": "2024-01-02T10:00:00Z",
    "1704189600,5": "2024-01-02T10:00:00.500000Z",
}


@pytest.mark.parametrize("separator", " ,|;")
@pytest.mark.parametrize("time", MOMENTS)
@pytest.mark.parametrize("lengths", [(1, 2), (2, 2), (3, 3), (3, 1), (5, 6)])
def test_a_basket_has_one_time_whatever_stands_in_it(
    tmp_path: Path, separator: str, time: str, lengths: tuple[int, int]
) -> None:
    baskets = [separator.join(f"i{row}{place}" for place in range(length)) for row, length in enumerate(lengths)]
    if not any(separator in basket for basket in baskets):
        baskets[0] += f"{separator}x"
    rows = [f"u\t{basket}\t{time}" for basket in baskets]
    (tmp_path / "t.tsv").write_text("user_id\titems\tdate\n" + "\n".join(rows) + "\n")
    form = {"timestamp_format": "mdy"} if "AM" in time else {}
    made = run(tmp_path / "t.tsv", tmp_path / "ws", duplicates="keep", ties="source", **form)
    assert read_sequences(made.folder) == {"u": [item for basket in baskets for item in basket.split(separator)]}
    assert made.manifest.statistics["first_time"] == made.manifest.statistics["last_time"] == MOMENTS[time]


@pytest.mark.parametrize("separator", " ,|;")
@pytest.mark.parametrize("moments", [[START, START + 60], ["2024-01-02", "2024-01-01"], ["20240101", "20240102"]])
def test_times_as_many_as_the_items_are_theirs(tmp_path: Path, separator: str, moments: list[object]) -> None:
    join = separator.join
    rows = [
        f"u\t{join('ab')}\t{join(map(str, moments))}",
        f"v\t{join('abc')}\t{join(map(str, [*moments, moments[0]]))}",
    ]
    (tmp_path / "t.tsv").write_text("user_id\titems\tdate\n" + "\n".join(rows) + "\n")
    first, second = sorted("ab", key=lambda item: str(moments["ab".index(item)]))
    assert read_sequences(run(tmp_path / "t.tsv", tmp_path / "ws").folder)["u"] == [first, second]


@pytest.mark.parametrize("word", ["Red Shirt", "N5-1 N3-0", "Earth, Wind & Fire"])
def test_what_may_be_several_items_and_is_read_as_one_is_said(tmp_path: Path, word: str) -> None:
    def read(*items: str) -> list[str]:
        rows = [f"u\t{item}\t{START}" for item in items]
        (tmp_path / "t.tsv").write_text("user_id\titem_id\ttimestamp\n" + "\n".join(rows) + "\n")
        return run(tmp_path / "t.tsv", tmp_path / "ws").notes

    said = "each cell of 'item_id' is taken as one item, though many could be lists"
    assert said in read(word, "Hat")
    assert said not in read(word, "Hat", "Cap")
