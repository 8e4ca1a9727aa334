"""What goes wrong in a database, as one line without what is secret."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from adrec_cli.data.databases.query import Query
from adrec_cli.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_BEFORE: Final = re.compile(r"^.*\b(?:ERROR|FATAL): +|^(?:[A-Z_]+: )?\[libpq\] (?:Failed to connect: )?")
"""What drivers put before the message of a server, or of whoever looked for it."""


@contextlib.contextmanager
def tell_refusals(query: Query, errors: tuple[type[BaseException], ...], *, hint: str) -> Iterator[None]:
    """Turn errors of a database into one that says where it was asked and what it said.

    Args:
        query: that was asked.
        errors: of its driver; those of Arrow are meant anyway.
        hint: what to do.

    Raises:
        InputError: in place of them.
    """
    from pyarrow import ArrowException

    try:
        yield
    except (*errors, ArrowException) as error:
        said = _BEFORE.sub("", str(error).strip().splitlines()[0])
        raise InputError(f"{query.shown} gives no answer: {query.hide_secrets(said)}", hint=hint) from None


def read_batches(
    reader: pa.RecordBatchReader, query: Query, errors: tuple[type[BaseException], ...], *, hint: str
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an answer; arguments and errors as `tell_refusals`."""
    while True:
        # OSError, too: here nothing is written, so that it is the database that has gone.
        with tell_refusals(query, (*errors, OSError), hint=hint):
            batch = next(reader, None)
        if batch is None:
            return
        yield batch
