"""Frames of Polars, pandas, PyArrow and whatever else speaks Arrow, read as the files that say the same."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from adrec_cli.errors import AdrecError, InputError, UsageError
from adrec_cli.wording import option

if TYPE_CHECKING:
    import polars as pl

_INDEX = re.compile(r"__index_level_\d+__")
"""Columns in which pandas hands on an index without a name: row numbers, not data."""


@runtime_checkable
class ArrowFrame(Protocol):
    """A table that hands itself on by Arrow's C interface: of Polars, pandas from 2.2, PyArrow, DuckDB, cuDF, Ibis."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with a stream of Arrow arrays."""


def is_frame(given: object) -> TypeGuard[ArrowFrame]:
    """Return whether something given is a table rather than a path, or a single column of one."""
    return isinstance(given, ArrowFrame) and (hasattr(given, "columns") or hasattr(given, "schema"))


def read_frame(frame: ArrowFrame, what: str) -> pl.DataFrame:
    """Return a table as Polars', whatever it was, without an index of pandas that has no name.

    Args:
        frame: of any kind.
        what: the option it was given for.

    Raises:
        InputError: its values are of no one type, or its columns have no names of their own.
    """
    import polars as pl
    import pyarrow as pa

    try:
        # By PyArrow, whose tables may have the same column twice, to be refused below in our own words.
        table = pa.RecordBatchReader.from_stream(frame).read_all()
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{what}: the frame cannot be read: {reason}", hint="give each column a name of its own and one type"
        ) from error
    kept = [name for name in table.column_names if not _INDEX.fullmatch(name)]
    if twice := next((name for name in kept if kept.count(name) > 1), None):
        raise InputError(f"{what}: the frame has two columns {twice!r}", hint="rename one of them")
    found = pl.from_arrow(table.select(kept))
    assert isinstance(found, pl.DataFrame)
    return found


def require_source(given: object, what: str) -> None:
    """Raise unless something is a path or a table.

    Raises:
        UsageError: saying what it is, and what can be given.
    """
    if isinstance(given, str | os.PathLike) or is_frame(given):
        return
    lazy = hasattr(given, "collect")
    raise UsageError(
        f"{what} must be a path or a frame, got {type(given).__name__}",
        hint="call .collect() on it first" if lazy else "frames are those of Polars, pandas (2.2 or newer) or PyArrow",
    )


@contextlib.contextmanager
def as_files(**given: Any) -> Iterator[dict[str, str]]:
    """Yield paths: those that were given, and of frames those of Parquet files, which are there as long as it is open.

    So frames pass every check that files pass, and equal frames are the same source, by the content's hash.

    Args:
        given: paths and frames, by the option they were given for; None is left out.

    Raises:
        InputError, UsageError: something is neither a path nor a frame that can be read.
        StorageError: no space for a file.
    """
    there = {key: value for key, value in given.items() if value is not None}
    for key, value in there.items():
        require_source(value, option(key))
    with tempfile.TemporaryDirectory(prefix="adrec-") as folder:
        frames = {key: Path(folder) / f"{key}-frame.parquet" for key, value in there.items() if is_frame(value)}
        for key, path in frames.items():
            _write(there[key], path, option(key))
        try:
            yield {key: str(frames[key]) if key in frames else os.fspath(value) for key, value in there.items()}
        except AdrecError as error:
            # Nobody who gave a frame knows the file that stands for it.
            for path in frames.values():
                error.rename(str(path), in_message=path.stem, in_hint="FRAME")
            raise


def _write(frame: ArrowFrame, path: Path, what: str) -> None:
    from adrec_cli.artifacts.atomic import storage_error

    table = read_frame(frame, what)
    try:
        # In one piece, so that equal tables are equal bytes, however their rows came.
        table.rechunk().write_parquet(path, compression="zstd", statistics=False)
    except OSError as error:
        raise storage_error("write", path, error) from error
