"""Tables of Delta and Iceberg: what counts of their files today, as one Parquet file that is removed again."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.data.databases.answers import Answer, write_answer
from adrec_cli.data.reading.foreign_files import find_table_format, refuse_table_folder
from adrec_cli.data.reading.scratch import scratch_folder
from adrec_cli.errors import AdrecError, InputError
from adrec_cli.wording import say_count

_INSTALL: Final = "pip install 'adrec-cli[lake]', or write what counts as Parquet with the program that keeps the table"
_METADATA: Final = re.compile(r"v?(\d+)(?:-.*)?\.metadata\.json")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A table as it is.

    Attributes:
        rows: all that count.
        version: number of the version (Delta) or of the snapshot (Iceberg).
    """

    rows: pl.LazyFrame
    version: int


@dataclass(frozen=True, kw_only=True)
class BroughtTable:
    """A table that is here as a file.

    Attributes:
        path: of the file.
        origin: what the manifest keeps: format and version.
    """

    path: Path
    origin: Mapping[str, str | int]


@contextlib.contextmanager
def bring_table(folder: Path) -> Iterator[BroughtTable]:
    """Yield a Parquet file, called as the folder, with the rows of a table that count, which is there while open.

    Errors that are raised meanwhile name the folder instead of the file.

    Args:
        folder: of a table.

    Raises:
        InputError: the table cannot be read, is none of `FORMATS`, or has no row; or what reads it is not installed.
        StorageError: there is no room for the file.
    """
    kind = find_table_format(folder)
    if kind not in FORMATS:
        refuse_table_folder(folder)
    with scratch_folder(None) as scratch:
        target = scratch / folder.resolve().name
        snapshot = FORMATS[kind](folder)
        if not write_answer(_read(snapshot, folder, kind), target):
            raise InputError(f"{folder} is a table of {kind} without rows", hint="name another folder")
        try:
            yield BroughtTable(path=target, origin={"table": kind, "version": snapshot.version})
        except AdrecError as error:
            error.rename(str(target), in_message=str(folder), in_hint=str(folder))
            raise


def _read(snapshot: Snapshot, folder: Path, kind: str) -> Answer:
    """Return the rows of a snapshot, in pieces."""
    with _tell_faults(folder, kind):
        schema = pl.DataFrame(schema=snapshot.rows.collect_schema()).to_arrow().schema

    def read_pieces() -> Iterator[object]:
        with _tell_faults(folder, kind):
            for frame in snapshot.rows.collect_batches(maintain_order=True):
                yield from frame.to_arrow().to_batches()

    return Answer(batches=read_pieces(), schema=schema, askers=frozenset())


@contextlib.contextmanager
def _tell_faults(folder: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library says of a table into one line; it knows many kinds of errors, and warns of its speed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pl.exceptions.PerformanceWarning)
            yield
    except (AdrecError, GeneratorExit):
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{folder} is a table of {kind} that cannot be read: {said}",
            hint="write what counts today as Parquet with the program that keeps it, and name that folder",
        ) from error


def _open_delta(folder: Path) -> Snapshot:
    try:
        from deltalake import DeltaTable
    except ImportError as error:
        raise InputError(f"{folder} is a table of Delta: reading it needs deltalake", hint=_INSTALL) from error

    with _tell_faults(folder, "Delta"):
        table = DeltaTable(str(folder.resolve()))
        return Snapshot(rows=pl.scan_delta(table), version=table.version())


def _open_iceberg(folder: Path) -> Snapshot:
    try:
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise InputError(f"{folder} is a table of Iceberg: reading it needs pyiceberg", hint=_INSTALL) from error

    metadata = _find_metadata(folder)
    with _tell_faults(folder, "Iceberg"):
        table = StaticTable.from_metadata(str(metadata.resolve()))
        snapshot = table.current_snapshot()
        return Snapshot(rows=pl.scan_iceberg(table), version=0 if snapshot is None else snapshot.snapshot_id)


def _find_metadata(folder: Path) -> Path:
    """Return the newest metadata of an Iceberg table, which a catalog would name.

    Raises:
        InputError: two are, so that only its catalog knows.
    """
    hint = folder / "metadata" / "version-hint.text"
    named = f"v{hint.read_text().strip()}.metadata.json" if hint.is_file() else ""
    if named and (folder / "metadata" / named).is_file():
        return folder / "metadata" / named
    found = {
        path: int(match[1])
        for path in matching_paths(folder / "metadata", "*.metadata.json")
        if (match := _METADATA.fullmatch(path.name))
    }
    newest = [path for path, number in found.items() if number == max(found.values())]
    if len(newest) != 1:
        raise InputError(
            f"{folder} is a table of Iceberg, and only its catalog knows "
            f"which of {say_count(len(newest), 'state')} of it is the "
            "newest",
            hint="write what counts today as Parquet with the program that keeps it, and name that folder",
        )
    return newest[0]


FORMATS: Final[Mapping[str, Callable[[Path], Snapshot]]] = MappingProxyType(
    {"Delta": _open_delta, "Iceberg": _open_iceberg}
)
"""What opens a table, by its format."""
