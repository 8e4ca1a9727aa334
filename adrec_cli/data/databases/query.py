"""A query and where it is asked: what is known of both before anybody is asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.data.addresses import HIDDEN, hide_secrets, is_address, show_address
from adrec_cli.errors import UsageError
from adrec_cli.wording import option

DATABASE_VARIABLE: Final = "ADREC_DATABASE"
"""Names the database where no option does, as what an option says every user of the machine can read."""

_NO_CODE: Final = re.compile(
    r"""\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$""", re.S
)
"""Texts, quoted names and comments."""
_FIRST_WORD: Final = re.compile(r"[\s(]*(\w+)")
_ASKING: Final = ("select", "with", "values", "from", "table")
_IN_BRACKETS: Final = re.compile(r"\([^()]*\)")
_ORDERED: Final = re.compile(r"\border\s+by\b", re.I)
_EXAMPLE: Final = "write one query, such as: SELECT user_id, item_id, time FROM events"
_UNCLEAR: Final = re.compile("[=@]")


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question to a database.

    Attributes:
        sql: one statement that asks.
        database: address or path; None for a DuckDB of its own, which reads files here.
    """

    sql: str
    database: str | None

    def __post_init__(self) -> None:
        code = _leave_code(self.sql)
        found = _FIRST_WORD.match(code)
        if found is None or found[1].lower() not in _ASKING:
            raise UsageError(
                f"{option('sql')} asks nothing: it begins with {found[1] if found else 'no word'}, expected SELECT",
                hint=_EXAMPLE,
            )
        if code.partition(";")[2].strip():
            raise UsageError(f"{option('sql')} has something behind its semicolon", hint=_EXAMPLE)

    @property
    def is_remote(self) -> bool:
        """Whether a server is asked."""
        return self.database is not None and is_address(self.database)

    @property
    def is_ordered(self) -> bool:
        """Whether the query says in which order its rows stand."""
        outside, inside = _leave_code(self.sql), 1
        while inside:
            outside, inside = _IN_BRACKETS.subn(" ", outside)
        return _ORDERED.search(outside) is not None

    @property
    def statement(self) -> str:
        """The query without a semicolon behind it, with a line of its own for what a driver puts there."""
        return f"{self.sql[: len(_leave_code(self.sql).partition(';')[0])]}\n"

    @property
    def shown(self) -> str:
        """Where it is asked, without what may be secret: for messages."""
        if self.database is None:
            return "DuckDB"
        # What is neither an address nor a file may be a connection string of another form, with a password.
        unclear = not self.is_remote and _UNCLEAR.search(self.database) and not os.path.exists(self.database)
        return HIDDEN if unclear else show_address(self.database)

    @property
    def is_unclear(self) -> bool:
        """Whether an address does not show where user and password end."""
        return self.shown.endswith(HIDDEN)

    def describe(self) -> dict[str, str]:
        """Return what the manifest keeps: the query, and where it was asked without what may be secret."""
        if self.database is None:
            return {"query": self.sql}
        return {"query": self.sql, "database": self.shown if self.is_remote else Path(self.database).name}

    def hide_secrets(self, text: str) -> str:
        """Return what a database says, without what is secret."""
        return hide_secrets(text, self.database if self.database is not None and self.is_remote else "")


def make_query(sql: str, database: str | None) -> Query:
    """Return a query to the database that is named, else to that of the environment.

    Raises:
        UsageError: it asks nothing.
    """
    return Query(sql=sql, database=database or os.environ.get(DATABASE_VARIABLE) or None)


def _leave_code(sql: str) -> str:
    """Return a query with blanks in place of its texts, quoted names and comments."""
    return _NO_CODE.sub(lambda found: " " * len(found[0]), sql)
