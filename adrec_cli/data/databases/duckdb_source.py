"""DuckDB: a file that is opened to be read only, or none, for queries over files here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.data.databases.answers import GROUP_ROWS, Answer
from adrec_cli.data.databases.query import Query
from adrec_cli.data.databases.refusals import read_batches, tell_refusals
from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import option

if TYPE_CHECKING:
    import duckdb

_ASKERS: Final = frozenset({"duckdb"})
_HINT: Final = "try the query in DuckDB itself"


@contextlib.contextmanager
def ask_duckdb(query: Query, scratch: Path, on_open: Callable[[Callable[[], None]], None]) -> Iterator[Answer]:
    """Yield the answer of DuckDB.

    Args:
        query: to a file, or to none.
        scratch: folder for what does not fit in memory.
        on_open: gets what ends a query that runs, from any thread.

    Raises:
        UsageError: the query is several or changes something, or DuckDB is not installed.
        InputError: there is no such file, or DuckDB has no answer.
    """
    try:
        import duckdb
    except ImportError as error:
        raise UsageError("querying DuckDB needs its package", hint="pip install 'adrec-cli[sql]'") from error

    with contextlib.ExitStack() as stack:
        with tell_refusals(query, (duckdb.Error,), hint=_HINT):
            _require_select(query)
            connection = stack.enter_context(_open(query, scratch))
            on_open(connection.interrupt)
            reader = connection.sql(query.statement).to_arrow_reader(GROUP_ROWS)
        batches = read_batches(reader, query, (duckdb.Error,), hint=_HINT)
        yield Answer(batches=batches, schema=reader.schema, askers=_ASKERS)


def _open(query: Query, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that changes no file, fetches no extension and sees no variable of Python."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false", "python_enable_replacements": "false",
    }  # fmt: skip
    if query.database is None:
        connection = duckdb.connect(config=config)
    else:
        path = Path(query.database).expanduser()
        if not os.path.exists(path):
            raise InputError(
                f"there is no database at {query.shown}",
                hint=f"give a file of DuckDB, or an address: {option('database', 'postgresql://HOST/NAME')}",
            )
        require_regular_file(path)
        # Absolute, as DuckDB takes names such as md:shop for something else.
        connection = duckdb.connect(str(path.resolve()), read_only=True, config=config)
    # Not among those above: a file is open once for all of a process, with one set of them.
    connection.execute("SET temp_directory = ?", [str(scratch)])
    # Times without a zone are taken to be in UTC, so that DuckDB must make none in another.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _require_select(query: Query) -> None:
    """Refuse what DuckDB takes for something else than one query.

    Raises:
        UsageError: it is several, or changes something.
    """
    import duckdb

    statements = duckdb.extract_statements(query.statement)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError(f"{option('sql')} is not one query", hint="leave one SELECT alone")
