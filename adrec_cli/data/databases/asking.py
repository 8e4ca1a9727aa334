"""A database asked, once, and its answer as a file in a folder that is removed again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from adrec_cli.data.databases.answers import Answer, write_answer
from adrec_cli.data.databases.duckdb_source import ask_duckdb
from adrec_cli.data.databases.postgres import ask_postgres
from adrec_cli.data.databases.query import Query
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.errors import AdrecError, InputError, StorageError, UsageError, look_up
from adrec_cli.events import OnEvent
from adrec_cli.wording import option

Ask = Callable[[Query, Path, Callable[[Callable[[], None]], None]], AbstractContextManager[Answer]]

SERVERS: Final[Mapping[str, Ask]] = MappingProxyType({"postgresql": ask_postgres, "postgres": ask_postgres})
"""How a database with an address is asked, by how the address begins; one without is a file of DuckDB."""
_FILE: Final = "query.parquet"
_LOOK_SECONDS: Final = 0.2
_END_SECONDS: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class AnswerProgress:
    """How far the answer of a database is.

    Attributes:
        database: that is asked, as it may be shown.
        rows: that are here.
        whole: whether that is all.
    """

    database: str
    rows: int
    whole: bool


@contextlib.contextmanager
def bring_answer(query: Query, *, name: str, offline: bool, on_event: OnEvent) -> Iterator[Path]:
    """Yield a Parquet file with the answer to a query, which is there while open.

    Errors that are raised meanwhile name the database instead of the file.

    Args:
        query: that is asked, once.
        name: what stands for it in a command.
        offline: whether no server may be asked.
        on_event: gets `AnswerProgress`.

    Raises:
        InputError: there is no database, it has no answer, or there is no row in it.
        UsageError: the address cannot be read, the query is none, or no server may be asked.
        StorageError: there is no room for the answer.
    """
    ask = _choose(query)
    if offline and query.is_remote:
        raise UsageError(f"{query.shown} is not asked offline", hint=f"leave {option('offline')} out")
    with scratch_folder(None) as scratch:
        target = scratch / _FILE
        _Asking(ask, query, target).wait(on_event)
        try:
            yield target
        except AdrecError as error:
            error.rename(str(target), in_message=f"the answer of {query.shown}", in_hint=name)
            raise


def _choose(query: Query) -> Ask:
    """Return how a query is asked.

    Raises:
        UsageError: its database is of another kind, or its address might be read in two ways.
    """
    if not query.is_remote:
        return ask_duckdb
    assert query.database is not None
    ask = look_up(SERVERS, query.database.partition("://")[0].lower(), "kind of database")
    if query.is_unclear:
        raise UsageError(
            f"{query.shown} does not show where user and password end",
            hint="write @, /, ? and # in a password as %40, %2F, %3F and %23",
        )
    return ask


class _Asking(threading.Thread):
    """A query under way; in a thread, so that signals reach the one that waits, whatever the driver waits for."""

    def __init__(self, ask: Ask, query: Query, target: Path) -> None:
        super().__init__(name="adrec query", daemon=True)
        self._ask, self._query, self._target = ask, query, target
        self._rows = 0
        self._failure: BaseException | None = None
        # Not `join`: a signal that arrives in it leaves the thread marked as ended (CPython 3.11).
        self._is_done = threading.Event()
        self._end: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Ask, and write the answer."""
        try:
            with self._ask(self._query, self._target.parent, self._take_end) as answer:
                self._rows = write_answer(answer, self._target, self._count)
        except OSError as error:
            self._failure = StorageError(
                f"could not write the answer to {self._target.parent}: {error.strerror or error}",
                hint="free space, or name another folder for temporary files with TMPDIR",
            )
        except BaseException as error:
            self._failure = error
        finally:
            self._is_done.set()

    def wait(self, on_event: OnEvent) -> None:
        """Start, and return when all is written; what goes wrong in the thread is raised here."""
        self.start()
        try:
            while not self._is_done.wait(_LOOK_SECONDS):
                on_event(self._report(whole=False))
        except BaseException:
            # In a thread of its own: a server that has gone does not hear it either.
            ending = threading.Thread(target=self._end_it, daemon=True)
            ending.start()
            self._is_done.wait(_END_SECONDS)
            # A thread that leaves a driver while Python ends brings the process down.
            for thread in (ending, self):
                thread.join(_LOOK_SECONDS)
            raise
        if self._failure is not None:
            raise self._failure
        if not self._rows:
            raise InputError(f"the query to {self._query.shown} gives no row", hint="look at its conditions")
        on_event(self._report(whole=True))

    def _report(self, *, whole: bool) -> AnswerProgress:
        return AnswerProgress(database=self._query.shown, rows=self._rows, whole=whole)

    def _take_end(self, end: Callable[[], None]) -> None:
        self._end = end

    def _end_it(self) -> None:
        """End the query, again and again, as before it has begun nobody listens."""
        while not self._is_done.is_set():
            # It may be over in this moment.
            with contextlib.suppress(Exception):
                self._end()
            self._is_done.wait(_LOOK_SECONDS)

    def _count(self, rows: int) -> None:
        self._rows = rows
