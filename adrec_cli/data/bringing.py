"""What is read, as a path on this machine: its own, or that of a copy which is removed again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adrec_cli.data.databases.asking import bring_answer
from adrec_cli.data.databases.query import make_query
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.remote_beside import bring_beside
from adrec_cli.data.remote_files import bring_source
from adrec_cli.data.remote_versions import NO_VERSIONS, Versions
from adrec_cli.data.source_names import find_table, name_after_source
from adrec_cli.errors import InputError
from adrec_cli.events import OnEvent
from adrec_cli.wording import option_as_typed

if TYPE_CHECKING:
    from adrec_cli.data.plan import Plan
    from adrec_cli.data.reading.read_report import ReadReport


@dataclass(frozen=True, kw_only=True)
class Brought:
    """A source that is here.

    Attributes:
        path: of a file, a folder or a pattern; or a named data set.
        options: that name a new data set after what was typed, whatever the copy that is read is called, and the files
            beside it where they are here.
        origin: what the manifest says about where it came from, beside the names of files.
        versions: of the objects that were copied, looked up before they were.
        ordered: whether the rows stand in an order that means something.
    """

    path: str
    options: PreprocessOptions
    origin: Mapping[str, Any] = field(default_factory=dict)
    versions: Versions = field(default_factory=dict)
    ordered: bool = True


@contextlib.contextmanager
def bring(
    source: str,
    options: PreprocessOptions,
    on_event: OnEvent,
    versions: Versions = NO_VERSIONS,
    known: Set[str] = frozenset(),
) -> Iterator[Brought]:
    """Yield a source, which is here while open; errors as `bring_source`, `bring_table` and `bring_answer`.

    Args:
        source: a named data set, a path or an address; with a query, the name of the data set.
        options: whose query is asked, if there is one.
        on_event: gets `DownloadProgress` and `AnswerProgress`.
        versions: of the objects of the source, if they were looked up.
        known: those of them that are not brought, as the data set has them.
    """
    with bring_beside(name_after_source(source, options), on_event) as named:
        if options.sql is None and (folder := find_table(source)) is not None:
            from adrec_cli.data.lake_tables import bring_table

            with bring_table(folder) as table:
                yield Brought(path=str(table.path), options=named, origin=table.origin)
            return
        if options.sql is None:
            with bring_source(source, offline=options.offline, on_event=on_event, known=known) as here:
                yield Brought(path=here, options=named, versions=versions)
            return
        query = make_query(options.sql, options.database)
        with bring_answer(query, name=source, offline=options.offline, on_event=on_event) as file:
            yield Brought(path=str(file), options=named, origin=query.describe(), ordered=query.is_ordered)


def require_order(brought: Brought, plan: Plan, report: ReadReport) -> None:
    """Refuse rows whose order is taken for time where a database gave them in any order; note what else is open then.

    Args:
        brought: what was read.
        plan: how.
        report: of reading; gets the note.

    Raises:
        InputError: the query says no order, and its answer holds no times.
    """
    if brought.ordered:
        return
    if report.by_rows:
        raise InputError(
            "the answer holds no times, and rows of a query without ORDER BY have no order that could stand for them",
            hint="add the column of times to the query, or ORDER BY",
        )
    if plan.settings.ties == "source":
        report.assume(
            "the query says no ORDER BY: events of a user with equal times stand as the database happened to give "
            f"them; {option_as_typed('ties', 'item')} sorts them"
        )
