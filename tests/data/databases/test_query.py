"""What is known of a query before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.databases.query import Query, make_query
from adrec_cli.errors import UsageError


def ask(sql: str, database: str | None = None) -> Query:
    return Query(sql=sql, database=database)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1", " select 1;", "-- why\nSELECT 1", "/* a; b */ (SELECT 1)", "WITH a AS (SELECT 1) SELECT * FROM a",
        "VALUES (1)", "FROM 'a;b.csv'", "TABLE events", "SELECT 1; -- done", "SELECT ';' ;", "SELECT E'it\\'s; so'",
        'SELECT "a;b"', "SELECT $$;$$", "SELECT $q$ ; $$ ; $q$",
    ],
)  # fmt: skip
def test_a_query_that_asks_is_taken(sql: str) -> None:
    assert ask(sql).sql == sql


@pytest.mark.parametrize(
    "sql",
    [
        "", "  ", ";", "-- SELECT 1", "DELETE FROM events", "(DELETE FROM events)", "COPY t TO '/tmp/a'", "commit",
        "/* SELECT */ DROP TABLE t", "'SELECT'", "SET x = 1", "EXPLAIN SELECT 1", "selection", "ATTACH 'x'",
    ],
)  # fmt: skip
def test_a_query_that_does_something_is_refused(sql: str) -> None:
    with pytest.raises(UsageError, match="asks nothing"):
        ask(sql)


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "SELECT ';'; COMMIT", "SELECT 1;;"])
def test_a_second_statement_is_refused(sql: str) -> None:
    with pytest.raises(UsageError, match="behind its semicolon"):
        ask(sql)


def test_what_a_driver_puts_behind_a_query_is_in_no_comment_of_it() -> None:
    assert ask("SELECT ';' -- a").statement == "SELECT ';' -- a\n"
    assert ask("SELECT ';' -- a\n; -- b").statement == "SELECT ';' -- a\n\n"
    assert ask("SELECT 1 ;").statement == "SELECT 1 \n"


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT 1 ORDER BY 1", True),
        ("SELECT 1 order\n by 1", True),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT * FROM (SELECT (1) ORDER BY (1))", False),
        ("SELECT 'order by'", False),
        ("SELECT 1 -- order by", False),
        ("SELECT border FROM by", False),
        ("SELECT last(a ORDER BY (b)) FROM t ORDER BY t", True),
    ],
)
def test_the_order_of_rows_is_that_of_the_outermost_query(sql: str, ordered: bool) -> None:
    assert ask(sql).is_ordered is ordered


signs = st.text(alphabet="canry:/@?#&=.%12 []", max_size=12)


@given(user=signs, password=signs, host=st.sampled_from(["db.example", "127.0.0.1:5432", "", "[::1]:1"]), path=signs)
def test_what_is_shown_of_an_address_is_never_user_or_password(user: str, password: str, host: str, path: str) -> None:
    asked = ask("SELECT 1", f"postgresql://{user}:canary{password}canary@{host}/{path}?password=canary")
    said = f"{asked.shown} {asked.describe()}"
    assert "canary" not in said.replace(path, "")


@pytest.mark.parametrize(
    ("database", "shown"),
    [
        (None, "DuckDB"),
        ("shop.duckdb", "shop.duckdb"),
        ("host=db password=canary", "***"),
        ("user:canary@db/shop", "***"),
        ("postgresql://db/shop", "postgresql://db/shop"),
        ("postgres://me:canary@db:5432/shop?sslmode=require", "postgres://db:5432/shop"),
        ("postgresql://me:canary@a:1,b:2/shop", "postgresql://a:1,b:2/shop"),
        ("postgresql:///shop?host=/run/postgresql&password=canary", "postgresql:///shop"),
        ("postgresql://me:12/canary@db/shop", "postgresql://***"),
        ("postgresql://me:12?canary@db/shop", "postgresql://***"),
        ("POSTGRESQL://me:12#canary@db/shop", "POSTGRESQL://***"),
        ("postgresql://me:canary@db/shop/a@b", "postgresql://***"),
    ],
)
def test_what_is_shown_of_a_database(database: str | None, shown: str) -> None:
    assert ask("SELECT 1", database).shown == shown
    assert ask("SELECT 1", database).is_unclear is shown.endswith("***")


def test_a_file_may_be_called_like_a_connection_string(tmp_path: Path) -> None:
    path = tmp_path / "a=b.duckdb"
    path.touch()
    asked = ask("SELECT 1", str(path))
    assert asked.shown == str(path)
    assert asked.describe() == {"query": "SELECT 1", "database": "a=b.duckdb"}


def test_the_environment_names_the_database_that_no_option_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADREC_DATABASE", "there.duckdb")
    assert make_query("SELECT 1", None).database == "there.duckdb"
    assert make_query("SELECT 1", "here.duckdb").database == "here.duckdb"
    monkeypatch.setenv("ADREC_DATABASE", "")
    assert make_query("SELECT 1", None).database is None
