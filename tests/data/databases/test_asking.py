"""Queries to a real Postgres and to DuckDB: the bytes that files give, nothing changed, nothing secret said or left."""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from adrec_cli.cli.app import app
from adrec_cli.data.databases.asking import AnswerProgress
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.errors import AdrecError, InputError, StorageError, UsageError
from adrec_cli.pipeline.preprocess import PreprocessResult, preprocess, preview
from adrec_cli.reporting.reproduction import preprocess_command
from tests.data.databases.conftest import PASSWORD, Server
from tests.examples import tries

duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.usefixtures("in_shell")

SQL = 'SELECT "user", item, time FROM events'
ROWS = [(f"u{user}", (user + step) % 7, 1_600_000_000 + step) for user in range(9) for step in range(6)]
Make = Callable[[list[str]], str]


def ask(database: str | None, workspace: Path, sql: str = SQL, **options: Any) -> PreprocessResult:
    return preprocess("shop", workspace=workspace, options=PreprocessOptions(sql=sql, database=database, **options))


def type_line(line: list[str]) -> Result:
    return CliRunner().invoke(app, line)


def fill(database: Path | Server, rows: list[tuple[Any, ...]] = ROWS) -> str:
    """Put events into a database and return what names it."""
    values = ", ".join(f"('{user}', {item}, {time})" for user, item, time in rows)
    statements = (
        "DROP TABLE IF EXISTS events",
        'CREATE TABLE events ("user" TEXT, item INT, time BIGINT)',
        f"INSERT INTO events VALUES {values}",
    )
    if isinstance(database, Server):
        database.execute(*statements)
        return database.address
    with duckdb.connect(str(database)) as connection:
        connection.execute(";".join(statements))
    return str(database)


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Either, with `ROWS` in its table `events`."""
    return fill(tmp_path / "shop.duckdb" if request.param == "duckdb" else request.getfixturevalue("postgres"))


def read_tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def test_a_query_is_a_source_like_a_file(database: str, tmp_path: Path, scratch: Path) -> None:
    file = tmp_path / "shop.csv"
    pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row").write_csv(file)
    read = preprocess(str(file), workspace=tmp_path / "file")
    asked = ask(database, tmp_path / "asked")
    assert asked.folder == tmp_path / "asked" / "shop"
    assert read_tables(asked.folder) == read_tables(read.folder)
    assert ask(database, tmp_path / "asked").skipped
    assert not ask(database, tmp_path / "asked", f"{SQL} WHERE item < 6").skipped
    assert preview(
        "shop", workspace=tmp_path / "none", options=PreprocessOptions(sql=SQL, database=database)
    ).sources == [{key: value for key, value in asked.manifest.sources[0].items() if key != "content_sha256"}]
    assert not (tmp_path / "none").exists()
    assert list(scratch.iterdir()) == []


def test_the_manifest_says_what_was_asked_where(database: str, tmp_path: Path) -> None:
    manifest = ask(database, tmp_path).manifest
    named = "shop.duckdb" if "://" not in database else f"postgresql://{database.rpartition('@')[2]}"
    assert manifest.sources[0]["query"] == SQL
    assert manifest.sources[0]["database"] == named
    assert (
        preprocess_command(manifest, has_item_file=False) == f"adrec preprocess shop --sql '{SQL}' --database {named}"
    )


def test_what_a_query_finds_later_is_added(database: str, tmp_path: Path) -> None:
    first = ask(database, tmp_path, f"{SQL} WHERE time < 1600000003")
    folder = first.folder
    more = ask(database, tmp_path, f"{SQL} WHERE time >= 1600000003", update=folder)
    assert len(more.manifest.sources) == 2
    assert more.manifest.statistics["interactions"] == len(ROWS)
    assert ask(database, tmp_path, f"{SQL} WHERE time >= 1600000003", update=folder).skipped
    with pytest.raises(UsageError, match="has grown by updates") as raised:
        ask(database, tmp_path)
    assert f"adrec preprocess shop --sql '{SQL}'" in raised.value.hint
    assert raised.value.hint.endswith("--force, which keeps the former one")
    assert "canary" not in raised.value.hint


@pytest.mark.parametrize(
    ("sql", "kind", "said"),
    [
        ("SELECT * FROM nothing", InputError, "nothing"),
        ("SELECT FROM WHERE", InputError, "gives no answer|no row"),
        (f"{SQL} WHERE item > 7", InputError, "gives no row"),
        ('SELECT "user", item, item FROM events', InputError, "two columns 'item'"),
        ('SELECT "user", item FROM events', InputError, "rows of a query without ORDER BY have no order"),
        ("SELECT user, item, time FROM (SELECT item, time FROM events) t", InputError, "in every row who asks"),
        ("SELECT item, time FROM events", InputError, "the answer of"),
        ("DELETE FROM events", UsageError, "asks nothing"),
        (f"{SQL}; DELETE FROM events", UsageError, "semicolon"),
        ("WITH gone AS (DELETE FROM events RETURNING item) SELECT * FROM gone", InputError, "read-only"),
        ("SELECT *, INTERVAL '1 day' AS span FROM events", InputError, "interval, which is not read"),
    ],
)
def test_a_query_that_is_none_is_one_line(
    sql: str, kind: type[AdrecError], said: str, database: str, tmp_path: Path, scratch: Path
) -> None:
    with pytest.raises(kind, match=said) as raised:
        ask(database, tmp_path / "w", sql)
    told = f"{raised.value.message} {raised.value.hint}"
    assert "canary" not in told
    assert str(scratch) not in told
    assert "\n" not in told
    assert list(scratch.iterdir()) == []
    if sql.startswith("WITH"):
        assert ask(database, tmp_path / "w").manifest.statistics["interactions"] == len(ROWS)


def test_without_an_order_equal_times_are_noted(database: str, tmp_path: Path) -> None:
    def notes(sql: str = SQL, **options: Any) -> str:
        return " ".join(ask(database, tmp_path, sql, **options).notes)

    assert "the query says no ORDER BY" in notes()
    assert "ORDER BY" not in notes(f"{SQL} ORDER BY time")
    assert "ORDER BY" not in notes(ties="item")


def test_rows_in_order_may_stand_for_times(database: str, tmp_path: Path) -> None:
    rows = 'SELECT "user", item FROM events ORDER BY "user", time'
    by_order, by_time = ask(database, tmp_path / "a", rows), ask(database, tmp_path / "b")
    assert by_order.manifest.statistics["first_time"] is None
    items = [pl.read_parquet(done.folder / "sequences.parquet")["items"].to_list() for done in (by_order, by_time)]
    assert items[0] == items[1]


def test_a_query_of_another_name_is_refused(tmp_path: Path) -> None:
    other = ask(fill(tmp_path / "shop.duckdb"), tmp_path).folder.rename(tmp_path / "other")
    for options in ({"name": "other"}, {"update": other}):
        with pytest.raises(UsageError, match="the data set is named first: shop"):
            preprocess("shop", workspace=tmp_path, options=PreprocessOptions(sql=SQL, **options))
    (tmp_path / "a.csv").touch()
    for name in ("a/b", str(tmp_path / "a.csv"), ""):
        with pytest.raises(UsageError, match="needs the name of a data set"):
            preprocess(name, workspace=tmp_path, options=PreprocessOptions(sql=SQL))
    with pytest.raises(UsageError, match="'demo' is a named data set"):
        preprocess("demo", workspace=tmp_path, options=PreprocessOptions(sql=SQL))
    with pytest.raises(UsageError, match="is where --sql is asked"):
        PreprocessOptions(database="shop.duckdb")


ids = st.text(alphabet="aZ07é -_.", max_size=4) | st.just("007") | st.none()
numbers = st.integers(-(2**40), 2**40) | st.none()
moments = st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2020, 1, 1))
GOOD = [("u", 1), ("u", 2), ("v", 1)]


@given(
    users=st.lists(ids, max_size=12),
    items=st.lists(numbers, min_size=12, max_size=12),
    times=st.lists(moments, min_size=15, max_size=15),
    as_epoch=st.booleans(),
)
@settings(max_examples=tries(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_rows_give_the_same_bytes_wherever_they_lie(
    users: list[str | None],
    items: list[int | None],
    times: list[datetime.datetime],
    as_epoch: bool,
    postgres: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("same")
    rows = [*zip(users, items, strict=False), *GOOD]
    frame = pl.DataFrame(rows, schema={"user": pl.String, "item": pl.Int64}, orient="row").with_columns(
        time=pl.Series(times[: len(rows)], dtype=pl.Datetime("us"))
    )
    if as_epoch:
        frame = frame.with_columns(pl.col("time").dt.epoch("s"))
    frame.write_csv(folder / "shop.csv")
    frame.write_parquet(folder / "shop.parquet")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.register("frame", frame)
        connection.execute("CREATE TABLE events AS SELECT * FROM frame")
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS events")
        cursor.adbc_ingest("events", frame.to_arrow(), mode="create")
    options = {"on_bad_row": "skip", "ties": "item"}
    made = [
        preprocess(str(folder / name), workspace=folder / name[5:], options=PreprocessOptions(**options))
        for name in ("shop.csv", "shop.parquet")
    ]
    made += [ask(str(folder / "shop.duckdb"), folder / "d", **options), ask(postgres.address, folder / "p", **options)]
    assert all(read_tables(one.folder) == read_tables(made[0].folder) for one in made)


def test_every_kind_of_time_and_id_that_postgres_has(postgres: Server, tmp_path: Path) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS events",
        "CREATE TABLE events (who UUID, item NUMERIC, a TIMESTAMPTZ, b TIMESTAMP, c DATE, d NUMERIC(20, 3), e TEXT, "
        "rating NUMERIC(3, 1))",
        "INSERT INTO events SELECT ('00000000-0000-0000-0000-00000000000' || i % 3)::uuid, i, t, "
        "t AT TIME ZONE 'UTC', (t AT TIME ZONE 'UTC')::date, extract(epoch FROM t), to_char(t AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SSZ'), 4.5 FROM (SELECT i, '2020-01-01 00:00Z'::timestamptz + i * interval '1 day' t "
        "FROM generate_series(1, 12) i) x",
    )  # fmt: skip
    made = [
        ask(postgres.address, tmp_path / time, f"SELECT who, item, {time} AS time, rating FROM events", min_rating=4.5,
            user_column="who")
        for time in ("a", "b", "c", "d", "e", "a::timestamp", "timezone('Asia/Tokyo', a)::timestamptz")
    ]  # fmt: skip
    tables = [read_tables(one.folder) for one in made[:-1]]
    assert all(one == tables[0] for one in tables)
    sequences = pl.read_parquet(made[0].folder / "sequences.parquet")
    assert sequences["user_id"][0] == "00000000-0000-0000-0000-000000000000"
    assert sequences["timestamps"][0][0] == int(datetime.datetime(2020, 1, 4, tzinfo=datetime.UTC).timestamp() * 1e6)


def test_times_without_a_zone_are_made_in_utc(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        zoned = 'SELECT "user", item, to_timestamp(time) AS time FROM events'
        bare = 'SELECT "user", item, CAST(to_timestamp(time) AS TIMESTAMP) AS time FROM events'
        made = [ask(database, tmp_path / str(place), sql) for place, sql in enumerate((SQL, zoned, bare))]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert all(read_tables(one.folder) == read_tables(made[0].folder) for one in made)


def test_lists_of_items_are_sequences(database: str, tmp_path: Path) -> None:
    items, times = (f"array_agg({name} ORDER BY time) AS {name}s" for name in ("item", "time"))
    lists = f'SELECT "user", {items}, {times} FROM events GROUP BY 1'
    made = [
        ask(database, tmp_path / "a", lists, timestamp_column="times"),
        ask(database, tmp_path / "b"),
    ]
    assert read_tables(made[0].folder) == read_tables(made[1].folder)
    untimed = f'SELECT "user", {items} FROM events GROUP BY 1'
    assert ask(database, tmp_path / "c", untimed).manifest.statistics["interactions"] == len(ROWS)
    with pytest.raises(InputError, match="without ORDER BY have no order"):
        ask(database, tmp_path / "d", untimed, timestamp_unit="order")


def test_objects_are_refused_as_in_a_parquet_file(tmp_path: Path) -> None:
    path = fill(tmp_path / "shop.duckdb")
    with pytest.raises(InputError, match=r"the answer of .*shop\.duckdb: "):
        ask(path, tmp_path, 'SELECT {\'a\': "user"} AS "user", item, time FROM events')


def test_files_here_are_asked_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADREC_DATABASE", raising=False)
    frame = pl.DataFrame(ROWS, schema=["user", "item", "time"], orient="row")
    for part in range(2):
        frame.filter(pl.col("item") % 2 == part).write_parquet(tmp_path / f"part-{part}.parquet")
    frame.write_csv(tmp_path / "shop.csv")
    asked = ask(None, tmp_path / "a", f"SELECT * FROM '{tmp_path}/part-*.parquet'", ties="item")
    read = preprocess(str(tmp_path / "shop.csv"), workspace=tmp_path / "b", options=PreprocessOptions(ties="item"))
    assert read_tables(asked.folder) == read_tables(read.folder)
    assert "database" not in asked.manifest.sources[0]


def test_no_variable_of_python_is_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"with name (query|scratch) does not exist"):
        ask(None, tmp_path, "SELECT * FROM query, scratch")


def test_duckdb_fetches_no_extension_and_spills_into_the_scratch_folder(tmp_path: Path, scratch: Path) -> None:
    for setting, expected in (("autoinstall_known_extensions", "false"), ("temp_directory", f"{scratch}/adrec-")):
        item = f"CAST(current_setting('{setting}') AS text) AS item"
        asked = f'SELECT 1 AS "user", {item}, range AS time FROM range(1600000000, 1600000004)'
        done = ask(None, tmp_path / setting, asked, duplicates="keep")
        assert pl.read_parquet(done.folder / "items.parquet")["item_id"][0].startswith(expected)


def test_nothing_of_a_duckdb_changes(tmp_path: Path) -> None:
    path = Path(fill(tmp_path / "shop.duckdb"))
    before = path.read_bytes()
    ask(str(path), tmp_path)
    with pytest.raises(AdrecError):
        ask(str(path), tmp_path, "SELECT nextval('numbers')")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["shop", "shop.duckdb"]


def test_a_duckdb_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("no database" * 999)
    with pytest.raises(InputError, match="gives no answer"):
        ask(str(tmp_path / "text.duckdb"), tmp_path)
    with pytest.raises(InputError, match=r"there is no database at .*none\.duckdb"):
        ask(str(tmp_path / "none.duckdb"), tmp_path)
    with pytest.raises(InputError, match=r"there is no database at \*\*\*"):
        ask(f"host=db password={PASSWORD}", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe"):
        ask(str(tmp_path / "pipe"), tmp_path)
    with pytest.raises(UsageError, match="unknown kind of database 'mysql'"):
        ask("mysql://me:canary@db/shop", tmp_path)


def test_offline_asks_no_server(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not asked offline"):
        ask("postgresql://127.0.0.1:1/shop", tmp_path, offline=True)
    assert ask(fill(tmp_path / "shop.duckdb"), tmp_path, offline=True).manifest.dataset == "shop"


def test_no_room_for_the_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "shop.duckdb")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def be_full(*given: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", be_full)
    with pytest.raises(StorageError, match="No space left on device") as raised:
        ask(path, tmp_path)
    assert "TMPDIR" in raised.value.hint


def test_progress_is_told(database: str, tmp_path: Path) -> None:
    told: list[object] = []
    preprocess("shop", workspace=tmp_path, options=PreprocessOptions(sql=SQL, database=database), on_event=told.append)
    progress = [one for one in told if isinstance(one, AnswerProgress)]
    assert progress[-1].rows == len(ROWS)
    assert [one.whole for one in progress] == [False] * (len(progress) - 1) + [True]
    assert "canary" not in str(progress)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, database in (("duckdb", None), ("adbc_driver_postgresql", "postgresql://db/shop")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UsageError) as raised:
            ask(database, tmp_path)
        assert raised.value.hint == "pip install 'adrec-cli[sql]'"


def test_other_commands_of_a_query(tmp_path: Path) -> None:
    path = fill(tmp_path / "shop.duckdb")
    done = type_line(["run", "shop", "--inbox", str(tmp_path), "--sql", SQL, "--database", path])
    assert done.exit_code == 2
    assert "--sql has no meaning" in done.output
