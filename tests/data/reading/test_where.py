"""Conditions on events: parsed, never evaluated; numbers compare as numbers, all else as text."""

from __future__ import annotations

import operator
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adrec_cli.data.reading.conditions import parse_condition
from adrec_cli.data.reading.where import condition_holds
from adrec_cli.errors import InputError, UsageError
from tests.data.table_files import START, read_sequences, run
from tests.examples import tries

SIGNS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def kept(text: str, values: list[object], dtype: object = pl.String) -> list[bool]:
    """Return which values of a column `x` meet a condition."""
    column = pl.Series("x", values, dtype=dtype)  # type: ignore[arg-type]
    holds = condition_holds(parse_condition(text), pl.col("x"), column.dtype)
    return column.to_frame().select(holds).to_series().to_list()


@settings(deadline=None)
@given(
    sign=st.sampled_from(list(SIGNS)),
    bound=st.integers(-50, 50) | st.integers(2**53, 2**53 + 5) | st.floats(-50, 50).map(lambda x: round(x, 2)),
    values=st.lists(st.integers(-50, 50) | st.integers(2**53, 2**53 + 5), min_size=1, max_size=9),
)
def test_numbers_compare_as_numbers_in_text_and_in_columns_of_numbers(
    sign: str, bound: float, values: list[int]
) -> None:
    expected = [SIGNS[sign](value, bound) for value in values]
    assert kept(f"x {sign} {bound}", list(values), pl.Int64) == expected
    assert kept(f"x{sign}{bound}", [str(value) for value in values]) == expected
    if isinstance(bound, int) and abs(bound) < 100:
        assert kept(f"x {sign} {bound}", [f"{value}.0" for value in values if value < 100]) == [
            SIGNS[sign](value, bound) for value in values if value < 100
        ]


@settings(deadline=None)
@given(
    values=st.lists(st.text("abcé _", max_size=4).map(str.strip), max_size=9),
    chosen=st.lists(
        st.text("abcé _", min_size=1, max_size=4).map(str.strip).filter(lambda text: text != ""), min_size=1, max_size=3
    ),
)
def test_in_and_not_in_choose_among_values(values: list[str], chosen: list[str]) -> None:
    listed = ", ".join(chosen)
    assert kept(f"x in {listed}", list(values)) == [value in chosen for value in values]
    assert kept(f'"x" NOT IN ({listed})', list(values)) == [value not in chosen for value in values]


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("x = view", ["view", " view ", "View", None], [True, True, False, False]),
        ("x != view", ["view", "buy", None, ""], [False, True, True, True]),
        ("x = ''", [None, "", "a"], [True, True, False]),
        ("x = 'a, b'", ["a, b", "a"], [True, False]),
        ("x in 'a, b',c", ["a, b", "a", "c"], [True, False, True]),
        ("x > 5", ["6", "10", "4", "x", None, "nan"], [True, True, False, False, False, False]),
        ("x >= 2024-01-02", ["2024-01-01", "2024-01-02 10:00", "2025-01-01", None], [False, True, True, False]),
        ("x = 1e3", ["1000", "1e3", "1001"], [True, True, False]),
    ],
)
def test_what_a_condition_keeps(text: str, values: list[object], expected: list[bool]) -> None:
    assert kept(text, values) == expected


def test_columns_with_types() -> None:
    assert kept("x > 1.5", [1.0, 2.0, None, float("nan")], pl.Float64) == [False, True, False, False]
    assert kept("x = true", [True, False, None], pl.Boolean) == [True, False, False]
    assert kept("x = 2024-01-02", [date(2024, 1, 1), date(2024, 1, 2)], pl.Date) == [False, True]
    assert kept("x < 2024-01-02", [date(2024, 1, 1), date(2024, 1, 2)], pl.Datetime) == [True, False]


@pytest.mark.parametrize(
    ("text", "column", "operator", "values"),
    [
        ("event in view,transaction", "event", "in", ("view", "transaction")),
        ("event type = add to cart", "event type", "=", ("add to cart",)),
        ('"checked in" = yes', "checked in", "=", ("yes",)),
        ("in stock=1", "in stock", "=", ("1",)),
        ("4 >= 3", "4", ">=", ("3",)),
        ("origin = berlin", "origin", "=", ("berlin",)),
    ],
)
def test_conditions_are_parsed(text: str, column: str, operator: str, values: tuple[str, ...]) -> None:
    condition = parse_condition(text)
    assert (condition.column, condition.operator, condition.values) == (column, operator, values)


@pytest.mark.parametrize(
    "text", ["event", "event in", "event = ", "= view", "event ~ view", "checked in = yes", "event like v%"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="where="):
        parse_condition(text)


ROWS = [
    ("ann", "pen", "view", START), ("ann", "ink", "buy", START + 1), ("ann", "", "ping", START + 2),
    ("bob", "pen", "view", START + 3), ("bob", "cup", "view", START + 4), ("bob", "ink", "buy", START + 5),
]  # fmt: skip


@settings(max_examples=tries(15), deadline=None)
@given(form=st.sampled_from(["csv", "jsonl", "parquet"]), number=st.booleans())
def test_only_events_that_meet_all_conditions_are_read_and_the_others_counted(form: str, number: bool) -> None:
    frame = pl.DataFrame(ROWS, schema=["user_id", "item_id", "event", "timestamp"], orient="row")
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / f"log.{form}"
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[form](source)
        conditions = ["3 in view,buy" if number else "event in view,buy", f"timestamp < {START + 5}"]
        result = run(source, Path(temporary) / "ws", where=conditions)
        assert read_sequences(result.folder) == {"ann": ["pen", "ink"], "bob": ["pen", "cup"]}
        assert (result.removed[0].name, result.removed[0].interactions) == ("where", 2)
        assert result.manifest.reading["where"] == conditions
        assert run(source, Path(temporary) / "ws", where=conditions).skipped


@settings(deadline=None, max_examples=tries(40))
@given(
    sign=st.sampled_from(list(SIGNS)),
    bound=st.integers(-2000, 2000).map(lambda number: number / 100),
    values=st.lists(st.integers(-200_000, 200_000).map(lambda number: number / 100), min_size=1, max_size=9),
    form=st.sampled_from(["plain", "points", "blanks", "whole"]),
)
def test_numbers_with_a_decimal_comma_compare_as_numbers(
    sign: str, bound: float, values: list[float], form: str
) -> None:
    def show(value: float) -> str:
        grouped = f"{value:,.2f}".replace(",", "_").replace(".", ",")
        if form == "whole":
            return str(int(value))
        return grouped.replace("_", {"plain": "", "points": ".", "blanks": "\u202f"}[form])

    read = [float(int(value)) for value in values] if form == "whole" else values
    with tempfile.TemporaryDirectory() as name:
        # The first row has a decimal comma beyond doubt, and is kept by no condition.
        rows = [(show(value), 1) for value in values] + [("0,5", 0)]
        lines = [f"u;i{place};{START + place};{text};{flag}" for place, (text, flag) in enumerate(rows)]
        source = Path(name) / "t.csv"
        source.write_text("user_id;item_id;timestamp;price;flag\n" + "\n".join(lines) + "\n", encoding="utf-8")
        expected = [f"i{place}" for place, value in enumerate(read) if SIGNS[sign](value, bound)]
        options = {"where": (f"price {sign} {bound}", "flag = 1")}
        if not expected:
            with pytest.raises(InputError, match="no row meets"):
                run(source, Path(name) / "ws", **options)
            return
        made = run(source, Path(name) / "ws", **options)
        assert read_sequences(made.folder) == {"u": expected}
        assert "price has a decimal comma" in made.notes


DATES = {"2024-01-31": "%Y-%m-%d", "2024/01/31": "%Y/%m/%d", "31.01.2024": "%d.%m.%Y", "01/31/2024": "%m/%d/%Y",
         "31 Jan 2024": "%d %b %Y", "1706659200": "%s", "2024-1-31": "%Y-%m-%d"}  # fmt: skip


@settings(deadline=None, max_examples=tries(60))
@given(
    bound_form=st.sampled_from(sorted(set(DATES) - {"1706659200"})), form=st.sampled_from(sorted(DATES)),
    sign=st.sampled_from(["<", "<=", ">", ">="]), bound=st.dates(date(2022, 1, 1), date(2024, 12, 31)),
    days=st.lists(st.dates(date(2022, 1, 1), date(2024, 12, 31)), min_size=1, max_size=6),
)  # fmt: skip
def test_dates_are_compared_as_they_follow_each_other_or_not_at_all(
    bound_form: str, form: str, sign: str, bound: date, days: list[date]
) -> None:
    def show(day: date, form: str) -> str:
        if form == "1706659200":
            return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))
        return f"{day.year}-{day.month}-{day.day}" if form == "2024-1-31" else day.strftime(DATES[form])

    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "t.csv"
        lines = [f"u,i{place},{START + place},{show(day, form)}" for place, day in enumerate(days)]
        source.write_text("user_id,item_id,timestamp,seen\n" + "\n".join(lines) + "\n")
        expected = [f"i{place}" for place, day in enumerate(days) if SIGNS[sign](day, bound)]
        try:
            made = run(source, Path(name) / "ws", where=(f"seen {sign} {show(bound, bound_form)}",))
        except InputError as error:
            assert "compares dates as text" in error.message or ("no row meets" in error.message and not expected)
            # Dates that begin with the year, in full, are compared.
            assert bound_form != form or form not in ("2024-01-31", "2024/01/31") or not expected
            return
        assert read_sequences(made.folder) == {"u": expected}


@pytest.mark.parametrize("sign", ["=", "!="])
def test_a_date_that_no_row_could_hold_is_refused(tmp_path: Path, sign: str) -> None:
    source = tmp_path / "t.csv"
    source.write_text(f"user_id,item_id,timestamp,seen\nu,a,{START},31.12.2023\nu,b,{START},01.02.2024\n")
    for bound in ("2024-02-01", "2024-02"):
        with pytest.raises(InputError, match=r"compares dates as text, and '31.12.2023' is not written as 2024-01-31"):
            run(source, tmp_path / "ws", where=(f"seen {sign} {bound}",))
    made = run(source, tmp_path / "ws", where=(f"seen {sign} 31.12.2023",))
    assert read_sequences(made.folder) == {"u": ["a" if sign == "=" else "b"]}


def test_conditions_are_remembered_and_can_be_taken_back(tmp_path: Path) -> None:
    header = "user_id,item_id,event,timestamp\n"
    (tmp_path / "log.csv").write_text(header + "ann,pen,view,1400000000\nann,ink,buy,1400000001\n")
    made = run(tmp_path / "log.csv", tmp_path / "ws", where=["event=view"]).folder
    (tmp_path / "m.csv").write_text(header + "ann,cup,view,1400000002\nann,hat,buy,1400000003\n")
    run(tmp_path / "m.csv", tmp_path / "ws", update=made)
    assert read_sequences(made) == {"ann": ["pen", "cup"]}
    (tmp_path / "t.csv").write_text(header + "ann,tea,buy,1400000004\n")
    run(tmp_path / "t.csv", tmp_path / "ws", update=made, where=[""])
    assert read_sequences(made) == {"ann": ["pen", "cup", "tea"]}


def test_an_unknown_column_no_row_left_and_no_ratings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "user_id,item_id,event,timestamp\nann,pen,view,1400000000\nann,pen,buy,1400000001\n"
    )
    with pytest.raises(InputError, match="no column 'action' for where='action = view', it has: user_id, item_id"):
        run(tmp_path / "t.csv", tmp_path / "ws", where=["action = view"])
    with pytest.raises(InputError, match=r"no row meets where='event = veiw' \(event holds view, buy\)"):
        run(tmp_path / "t.csv", tmp_path / "ws", where=["event = veiw"])
    lists = pl.DataFrame({"user_id": ["a"], "items": [["x", "y"]]})
    lists.write_parquet(tmp_path / "lists.parquet")
    assert read_sequences(run(tmp_path / "lists.parquet", tmp_path / "ws", where=["items = x"]).folder) == {"a": ["x"]}
    with pytest.raises(InputError, match="known to be the rating"):
        run(tmp_path / "lists.parquet", tmp_path / "ws", min_rating=3)


def test_conditions_on_events_in_objects(tmp_path: Path) -> None:
    events = '{"aid":11,"ts":1659304800025,"type":"clicks"},{"aid":12,"ts":1659304904511,"type":"carts"}'
    (tmp_path / "otto.jsonl").write_text('{"session":1,"events":[' + events + "]}\n")
    made = run(tmp_path / "otto.jsonl", tmp_path / "ws", where=["events.type in carts,orders"])
    assert read_sequences(made.folder) == {"1": ["12"]}
