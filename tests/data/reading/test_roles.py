"""Roles are found all at once, by one rule, and nothing falls back in silence."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading.column_names import look_up_column
from adrec_cli.data.reading.roles import _spell
from adrec_cli.data.reading.time_columns import _EARLIEST, _LATEST, column_content, find_time_columns
from adrec_cli.errors import InputError
from tests.data.table_files import START, read_sequences, run
from tests.examples import tries

pytestmark = pytest.mark.usefixtures("in_shell")

EVENTS = [("u0", "it3", 1), ("u0", "it1", 2), ("u1", "it1", 3), ("u0", "it4", 4), ("u1", "it2", 5)]
IN_ORDER = {"u0": ["it3", "it1", "it4"], "u1": ["it1", "it2"]}

USERS = [
    "user_id",
    "userId",
    "customer",
    "customer_id",
    "CustomerID",
    "household_key",
    "visitorid",
    "uid",
    "session_id",
]
ITEMS = [
    "item_id", "itemId", "book_id", "ISBN", "article_id", "video_id", "poi_id", "venue_id", "gmap_id", "news_id",
    "recipe_id", "StockCode", "stock_code", "sku", "product_id", "parent_asin", "asin",
]  # fmt: skip
TIMES = [
    "timestamp", "t_dat", "InvoiceDate", "order_date", "order_time", "purchase_date", "transaction_date",
    "impression_time", "date_added", "bought_at", "order_purchase_timestamp", "createdAt", "date", "Time",
]  # fmt: skip
DATED = ["release_date", "Datum", "birth date", "shipping_date"]


def stamp(minute: int, *, epoch: bool) -> str:
    return str(START + 60 * minute) if epoch else f"2021-12-29 03:{minute:02}:00"


def write_table(folder: Path, columns: dict[str, list[str]], order: list[str], *, parquet: bool = False) -> Path:
    """Write columns in an order, as CSV with a header or as Parquet."""
    path = folder / ("log.parquet" if parquet else "log.csv")
    frame = pl.DataFrame({name: columns[name] for name in order})
    frame.write_parquet(path) if parquet else frame.write_csv(path)
    return path


def events_by(shuffle: list[int]) -> tuple[list[str], list[str], list[int]]:
    picked = [EVENTS[place] for place in shuffle]
    return [row[0] for row in picked], [row[1] for row in picked], [row[2] for row in picked]


@settings(max_examples=tries(15), deadline=None)
@given(data=st.data(), shuffle=st.permutations(range(len(EVENTS))), epoch=st.booleans(), parquet=st.booleans())
def test_customary_names_are_found_in_any_order_of_columns_and_rows(
    data: st.DataObject, shuffle: list[int], epoch: bool, parquet: bool
) -> None:
    user, item, time = (data.draw(st.sampled_from(names)) for names in (USERS, ITEMS, TIMES))
    order = data.draw(st.permutations([user, item, time, "price"]))
    users, items, minutes = events_by(shuffle)
    columns = {user: users, item: items, time: [stamp(minute, epoch=epoch) for minute in minutes], "price": ["3"] * 5}
    with tempfile.TemporaryDirectory() as temporary:
        source = write_table(Path(temporary), columns, order, parquet=parquet)
        assert read_sequences(run(source, Path(temporary) / "ws").folder) == IN_ORDER


@settings(max_examples=tries(15), deadline=None)
@given(data=st.data(), shuffle=st.permutations(range(len(EVENTS))), epoch=st.booleans(), parquet=st.booleans())
def test_a_column_of_dates_is_never_left_for_the_order_of_rows(
    data: st.DataObject, shuffle: list[int], epoch: bool, parquet: bool
) -> None:
    times = data.draw(st.lists(st.sampled_from([*DATED, "x", "when"]), min_size=1, max_size=2, unique=True))
    order = data.draw(st.permutations(["user_id", "item_id", *times]))
    users, items, minutes = events_by(shuffle)
    columns = {"user_id": users, "item_id": items}
    columns |= {name: [stamp(minute, epoch=epoch) for minute in minutes] for name in times}
    with tempfile.TemporaryDirectory() as temporary:
        source = write_table(Path(temporary), columns, order, parquet=parquet)
        with pytest.raises(InputError, match=r"could (each )?be the time") as caught:
            run(source, Path(temporary) / "ws")
        words = shlex.split(caught.value.hint.split("for example: ")[1].split(";")[0])
        assert words[words.index("--timestamp-column") + 1] in times
        said = run(source, Path(temporary) / "ws", timestamp_column=times[0])
        assert read_sequences(said.folder) == IN_ORDER
        given_up = run(source, Path(temporary) / "ws", timestamp_unit="order", name="order")
        by_rows = {user: [item for one, item in zip(users, items, strict=True) if one == user] for user in IN_ORDER}
        assert read_sequences(given_up.folder) == by_rows


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["timestamp", "date", "created_at"], "timestamp"),
        (["date", "release_date"], "date"),
        (["order_date", "shipping_date"], "order_date"),
        (["created_at", "paid_at"], None),
        (["date", "time"], None),
        (["timestamp", "ts"], None),
        (["order_purchase_timestamp", "order_approved_at"], None),
        (["price", "update"], None),
    ],
)
def test_two_columns_that_could_be_the_time_are_told_apart_by_rule_or_not_at_all(
    names: list[str], chosen: str | None
) -> None:
    for columns in (names, names[::-1]):
        row = ["3" if name in ("price", "update") else "2021-12-29 03:00:00" for name in columns]
        found = find_time_columns(columns, [row, row])
        assert (None if found.chosen is None else columns[found.chosen]) == chosen
        assert sorted(found.rivals) == ([] if chosen or "price" in names else [0, 1])


def test_one_error_names_every_role_that_is_missing_and_a_command_that_works(tmp_path: Path) -> None:
    (tmp_path / "my log.csv").write_text(
        "wer;was;wann am\nann;pen;2024-01-02\nbob;ink;2024-01-01\nann;ink;2024-01-01\n"
    )
    with pytest.raises(InputError) as caught:
        run(tmp_path / "my log.csv", tmp_path / "ws", separator=";", min_interactions=1)
    assert "known to be the user or the item" in caught.value.message
    assert "wer ('ann', 'bob'), was ('pen', 'ink'), wann am ('2024-01-02', '2024-01-01')" in caught.value.message
    words = shlex.split(caught.value.hint.split("for example: ")[1].split("; or")[0])
    assert words[:3] == ["adrec", "preprocess", str(tmp_path / "my log.csv")]
    assert words[-6:] == ["--user-column", "wer", "--item-column", "was", "--timestamp-column", "wann am"]
    assert words[3:-6] == ["--separator", ";", "--min-interactions", "1"]


def test_a_column_asked_for_that_is_not_there_or_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user_id,item_id,when,when\nann,pen,1400000000,1400000000\n")
    with pytest.raises(InputError, match="it has 2 columns 'when' for the timestamp"):
        run(tmp_path / "t.csv", tmp_path / "ws", timestamp_column="when")
    with pytest.raises(InputError, match="no column 'nobody' for the user; it has no column 9 for the item"):
        run(tmp_path / "t.csv", tmp_path / "ws", user_column="nobody", item_column=9)
    assert read_sequences(run(tmp_path / "t.csv", tmp_path / "ws", timestamp_column="4").folder) == {"ann": ["pen"]}


def test_a_number_is_a_position_also_where_a_header_holds_numbers(tmp_path: Path) -> None:
    (tmp_path / "pandas.csv").write_text(",0,1,2\n0,424,4076,993.0\n1,424,1574,957.0\n2,1671,410,146.0\n")
    for header in (True, None):
        made = run(tmp_path / "pandas.csv", tmp_path / "ws", header=header, user_column="2", item_column="3").folder
        assert read_sequences(made) == {"424": ["4076", "1574"], "1671": ["410"]}
    (tmp_path / "more.csv").write_text("2,1,0,\n9,77,424,0\n")
    with pytest.raises(InputError, match="no times"):
        # The columns are found by their names, "0" and "1"; only times are missing.
        run(tmp_path / "more.csv", tmp_path / "ws", update=made)


@pytest.mark.parametrize(
    ("values", "content"),
    [
        (["2021/12/02", "2021/12/03"], "dates"),
        (["02.12.2021 01:00"], "dates"),
        (["12/02/2021 01:00:00 AM"], "dates"),
        (["20211202T010000Z"], "dates"),
        (["20211202"], "dates"),
        (["20211202 0100"], "numbers"),
        (["Tue Apr 03 18:00:09 +0000 2012"], "dates"),
        (["2014-12-06 02", ""], "dates"),
        (["10:15", "9:15:02 PM"], "clock"),
        (["1400000000", "1400000000.5"], "epoch"),
        (["1400000000000"], "epoch"),
        (["5", "3.5"], "numbers"),
        (["10.12.13.14"], "numbers"),
        (["u17"], "numbers"),
        (["a", "b"], "text"),
        (["", " "], ""),
    ],
)
def test_what_a_column_holds(values: list[str], content: str) -> None:
    assert column_content(values) == content


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_numbers_are_times_from_the_earliest_to_before_the_latest_in_any_unit(unit: int) -> None:
    earliest, latest = int(_EARLIEST), int(_LATEST)
    for number in (earliest, (earliest + latest) // 2, latest - 1):
        assert column_content([str(number * unit)]) == "epoch"
    # Where no other unit makes a time of it.
    assert column_content([str(latest * unit)]) == "numbers"
    assert column_content([str((earliest - 1) * unit)]) == "numbers"


@pytest.mark.parametrize(
    "name", ["update", "format", "lifetime", "Metadata", "cat", "candidate", "watch_time", "timezone"]
)
def test_names_that_only_sound_like_a_time(name: str) -> None:
    assert look_up_column(name) is None
    assert find_time_columns([name], [["3"], ["4"]]) == find_time_columns([], [])


@pytest.mark.parametrize(
    ("header", "rows", "typed"),
    [
        ("user_id,cluster,attraction_id,rating", "1,7,227,4.5|2,7,91,3", "--item-column attraction_id"),
        ("SessionID;Date;Time;Seq;Page", "a;1999-05-17;16:42:11;7;home|b;1999-05-18;16:42:11;8;cart",
         "--item-column Page --timestamp-column Date,Time"),
        ("BestellNr;Datum;Besteller;Artikel", "A-1;15.01.2024;Max;Hut|A-2;16.01.2024;Eva;Ball",
         "--user-column Besteller --item-column Artikel --timestamp-column Datum"),
        ("trakt_id,watched_at,show,trakt_user", "8038,2021-12-29,Hawkeye,ann|8039,2021-12-28,Witcher,ben",
         "--user-column trakt_user --item-column show"),
        ("track,mbid,artist,timestamp", "Wild Boy,,ratboy,1537475847|Greyhound,,kiss,1537475603",
         "--user-column artist --item-column track"),
        ("order_id,category_id,user_id,poster_id", "1,2,a,7|2,2,b,8", "--item-column poster_id"),
    ],
)  # fmt: skip
def test_the_suggested_command_names_likely_columns_and_works(
    tmp_path: Path, header: str, rows: str, typed: str
) -> None:
    (tmp_path / "log.csv").write_text("\n".join([header, *rows.split("|")]) + "\n")
    with pytest.raises(InputError) as caught:
        run(tmp_path / "log.csv", tmp_path / "ws")
    assert typed in caught.value.hint
    words = shlex.split(caught.value.hint.split("adrec preprocess ")[1].split(";")[0])
    named = {flag[2:].replace("-", "_"): column for flag, column in zip(words[1::2], words[2::2], strict=True)}
    assert run(tmp_path / "log.csv", tmp_path / "ws", **named).manifest.statistics["users"] == 2


def test_no_command_is_suggested_where_no_columns_could_have_the_roles(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("Date,Montant\n2025-01-05,200\n2025-01-12,350\n")
    with pytest.raises(InputError, match="known to be the user or the item") as caught:
        run(tmp_path / "sales.csv", tmp_path / "ws")
    assert caught.value.hint == "name a file with a column of users and one of items"


@pytest.mark.parametrize(("user", "item"), [("id_client", "id_prod"), ("idUser", "idProduct"), ("Kunde", "Artikel-Nr")])
def test_ids_named_the_other_way_round_and_in_other_languages(tmp_path: Path, user: str, item: str) -> None:
    (tmp_path / "log.csv").write_text(f"{item},date,id_session,{user}\na,2021-12-29,s1,u1\nb,2021-12-28,s1,u1\n")
    assert read_sequences(run(tmp_path / "log.csv", tmp_path / "ws").folder) == {"u1": ["b", "a"]}


def test_ids_as_large_as_times_are_no_times(tmp_path: Path) -> None:
    rows = [f"{1_400_000_000 + number},u1,i{number}" for number in (3, 1, 2)]
    (tmp_path / "log.csv").write_text("\n".join(["listing_id,user_id,item_id", *rows]) + "\n")
    assert read_sequences(run(tmp_path / "log.csv", tmp_path / "ws").folder) == {"u1": ["i3", "i1", "i2"]}
    (tmp_path / "log.csv").write_text("\n".join(["when_seen,user_id,item_id", *rows]) + "\n")
    with pytest.raises(InputError, match=r"when_seen .* could be the time"):
        run(tmp_path / "log.csv", tmp_path / "ws")


@pytest.mark.parametrize(
    ("columns", "rows", "typed"),
    [
        ("Year,Month,Day", ["2023,5,3", "2023,4,9"], "--timestamp-column Year,Month,Day"),
        ("day,price,year,month", ["3,9,2023,5", "9,9,2023,4"], "--timestamp-column year,month,day"),
        ("購入日", ["2023年5月3日", "2023年4月9日"], "--timestamp-column '購入日'"),
    ],
)
def test_dates_that_nothing_names_are_never_passed_over(
    tmp_path: Path, columns: str, rows: list[str], typed: str
) -> None:
    lines = [f"user_id,item_id,{columns}", f"u,b,{rows[0]}", f"u,a,{rows[1]}"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="could be the time") as caught:
        run(tmp_path / "log.csv", tmp_path / "ws")
    assert typed in caught.value.hint
    made = run(tmp_path / "log.csv", tmp_path / "ws", timestamp_column=shlex.split(typed)[1])
    assert read_sequences(made.folder) == {"u": ["a", "b"]}
    assert made.manifest.statistics["first_time"] == "2023-04-09T00:00:00Z"


@pytest.mark.parametrize(
    ("name", "values", "hint"),
    [("year", ("2023", "2021"), "--timestamp-format %Y"), ("date", ("44927.5", "44926"), "days of a spreadsheet")],
)
def test_numbers_that_are_no_times_are_told_by_their_size(
    tmp_path: Path, name: str, values: tuple[str, str], hint: str
) -> None:
    (tmp_path / "log.csv").write_text(f"user_id,item_id,{name}\nu,b,{values[0]}\nu,a,{values[1]}\n")
    with pytest.raises(InputError, match="fit no unit") as caught:
        run(tmp_path / "log.csv", tmp_path / "ws", timestamp_column=name)
    assert hint in caught.value.hint


@pytest.mark.parametrize("separator", [" ", ",", "\t"])
def test_ratings_where_the_time_would_be_name_the_columns_to_type(tmp_path: Path, separator: str) -> None:
    """Epinions and others: user, item, rating."""
    rows = [separator.join(row) for row in (("22605", "42", "5"), ("22605", "18", "4"), ("13", "4", "1"))]
    (tmp_path / "ratings.txt").write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match="fit no unit") as caught:
        run(tmp_path / "ratings.txt", tmp_path / "ws")
    words = shlex.split(str(caught.value.hint).split("for example ")[1].split(";")[0])
    assert words[::2] == ["--user-column", "--item-column", "--rating-column"]
    columns = {
        word.strip("-").replace("-", "_"): int(place) for word, place in zip(words[::2], words[1::2], strict=True)
    }
    made = run(tmp_path / "ratings.txt", tmp_path / "ws", **columns)
    assert read_sequences(made.folder) == {"22605": ["42", "18"], "13": ["4"]}


def test_an_object_under_a_customary_name_is_named_with_what_lies_in_it(tmp_path: Path) -> None:
    lines = [f'{{"user_id": {{"$oid": "{user}"}}, "item_id": "a", "timestamp": {START}}}' for user in ("x1", "x2")]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"column 'user_id' holds objects of \$oid") as caught:
        run(tmp_path / "log.jsonl", tmp_path / "ws")
    _, column = shlex.split(caught.value.hint.split("for example ")[1])
    made = run(tmp_path / "log.jsonl", tmp_path / "ws", user_column=column)
    assert read_sequences(made.folder) == {"x1": ["a"], "x2": ["a"]}


@pytest.mark.parametrize("layout", ["csv", "jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    ("columns", "positions", "typed"),
    [
        (("who", "what"), (1,), "what"), (("who", "12"), (1,), "2"), (("who", " "), (1,), "2"),
        (("who", "who"), (1,), "2"), (("who", "a,b"), (1,), "a,b"), (("who", "a,b"), (0, 1), "who,2"),
        (("day", "hour"), (1, 0), "hour,day"),
    ],
)  # fmt: skip
def test_a_column_is_typed_by_a_name_that_means_it_alone(layout, header, columns, positions, typed):
    table = SimpleNamespace(layout=layout, header=header, columns=columns)
    named = header or layout != "csv"
    assert _spell(table, positions) == (typed if named else ",".join(str(position + 1) for position in positions))
