"""Columns that only the names of folders hold, as of a log that is partitioned: `day=2024-01-31/part-0.parquet`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Final

from adrec_cli.data.reading.table import Table
from adrec_cli.errors import InputError
from adrec_cli.wording import option

_PARTITION: Final = re.compile(r"(?:^|[/\\])([^/\\=]+)=")
# Ids are text, whatever numbers they look like.
_AS_TEXT: Final = "hive_partitioning = true, hive_types_autocast = false"
_READERS: Final = MappingProxyType(
    {
        "parquet": f"read_parquet('{{files}}', {_AS_TEXT})",
        "jsonl": f"read_json('{{files}}', {_AS_TEXT})",
        "delimited": f"read_csv('{{files}}', all_varchar = true, {_AS_TEXT})",
    }
)
"""What reads files of a layout in a query of DuckDB."""


def find_folder_columns(paths: Sequence[Path]) -> list[str]:
    """Return the names of columns that the folders of files have values of."""
    return list(dict.fromkeys(name for path in paths for name in _PARTITION.findall(str(path.parent))))


def require_own_columns(table: Table, paths: Sequence[Path], asked: Collection[str]) -> None:
    """Refuse columns that are asked for and that only the names of folders hold.

    Args:
        table: the first file, recognised.
        paths: of all files.
        asked: names of columns.

    Raises:
        InputError: naming them, and the query that reads them.
    """
    only = [name for name in find_folder_columns(paths) if name in asked and name not in table.columns]
    if not only:
        return
    hint = f"leave {'them' if len(only) > 1 else 'it'} out"
    if table.layout in _READERS:
        files = f"{_find_root(table.path)}/**/*{table.path.suffix}".replace("'", "''")
        query = f"SELECT * FROM {_READERS[table.layout].format(files=files)}"
        hint = f"name the data set in place of the files, and read them with {option('sql', query)}"
    raise InputError(
        f"{table.path}: only names of folders hold {', '.join(map(repr, only))}, and those are not read", hint=hint
    )


def _find_root(path: Path) -> PurePath:
    """Return the folder that the first folder with a value lies in."""
    parents = [parent for parent in path.parents if "=" in parent.name]
    return parents[-1].parent if parents else path.parent
