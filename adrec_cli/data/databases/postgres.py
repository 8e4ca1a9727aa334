"""Postgres, through ADBC: rows as they come, from one transaction that can change nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from adrec_cli.data.databases.answers import Answer
from adrec_cli.data.databases.query import Query
from adrec_cli.data.databases.refusals import read_batches, tell_refusals
from adrec_cli.errors import UsageError

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

_PATIENCE: Final = {
    "connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
}  # fmt: skip
"""Seconds, but for the last, after which a server that is silent or has gone is given up."""
_CONNECT_VARIABLE: Final = "PGCONNECT_TIMEOUT"
_HINT: Final = "check address, rights and query, with psql for one"


@contextlib.contextmanager
def ask_postgres(query: Query, scratch: Path, on_open: Callable[[Callable[[], None]], None]) -> Iterator[Answer]:
    """Yield the answer of Postgres.

    Args:
        query: to an address.
        scratch: for other databases.
        on_open: gets what ends a query that runs, from any thread.

    Raises:
        UsageError: the driver is not installed.
        InputError: nobody answers, or the server refuses.
    """
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise UsageError("querying Postgres needs its ADBC driver", hint="pip install 'adrec-cli[sql]'") from error

    assert query.database is not None
    with contextlib.ExitStack() as stack:
        with tell_refusals(query, (Error,), hint=_HINT):
            connection = stack.enter_context(dbapi.connect(complete_address(query.database)))
            askers = _begin(connection)
            cursor = stack.enter_context(connection.cursor())
            on_open(cursor.adbc_cancel)
            cursor.execute(query.statement)
            reader = cursor.fetch_record_batch()
        batches = read_batches(reader, query, (Error,), hint=_HINT)
        yield Answer(batches=batches, schema=reader.schema, askers=askers)


def _begin(connection: dbapi.Connection) -> frozenset[str]:
    """Begin a transaction that can change nothing, and return what whoever asks is called."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        # Times without a zone are taken to be in UTC, so that the server must make none in another.
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        cursor.execute("SELECT current_user::text, session_user::text")
        return frozenset(cursor.fetchone() or ())


def complete_address(address: str) -> str:
    """Return an address that says how long to wait, where neither it nor the environment does."""
    given = parse_qs(address.partition("?")[2])
    own = {key: value for key, value in _PATIENCE.items() if key not in given}
    if _CONNECT_VARIABLE in os.environ:
        own.pop("connect_timeout", None)
    more = "&".join(f"{key}={value}" for key, value in own.items())
    return f"{address}{'&' if '?' in address else '?'}{more}" if more else address
