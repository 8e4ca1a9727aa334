"""Files of recommendations in a workspace, found by what they hold, without some users."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Set
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import file_sha256, replacing
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.recommendation_file import PARTS_SUFFIX, remove_parts, table_writer
from adrec_cli.schema import (
    CHECKPOINT_SUFFIX,
    ITEMS_FILE,
    MANIFEST_FILE,
    PENDING_FILE,
    RANKS_SUFFIX,
    SEQUENCES_FILE,
    STATE_SUFFIX,
    USER_ID,
)

_OWN_FILES: Final = (SEQUENCES_FILE, ITEMS_FILE, PENDING_FILE)
_ROWS: Final = 1_000_000
_MODEL: Final = "model"
_LISTED: Final = ("user", "id")
"""Kind and key of users in the list of unknown ones beside a batch."""


def find_batches(workspace: Path, dataset_folder: Path) -> Iterator[Path]:
    """Yield files that may hold recommendations: in the data set's folder, or in none of a data set.

    Hidden folders, such as that of downloads, are not looked into, except for the parts of unfinished batches.
    """
    folders = [dataset_folder, *(path for path in sorted(matching_paths(workspace, "*")) if _is_no_dataset(path))]
    places = [workspace, *(folder for folder in folders if folder.is_dir())]
    for place in places:
        found = matching_paths(place, "*") if place == workspace else matching_paths(place, "**/*")
        for path in sorted(found):
            hidden = any(part[0] == "." for part in path.relative_to(workspace).parts)
            parts = path.is_dir() and not path.is_symlink() and path.name.endswith(PARTS_SUFFIX)
            table = path.is_file() and not hidden and path.suffix in _WITHOUT and not _is_own(path)
            if parts or table:
                yield path


def foreign_models(workspace: Path, dataset_folder: Path) -> set[str]:
    """Return the names by which batches call models of other data sets, where the same id may be another person."""
    others = [path.parent for path in matching_paths(workspace, f"*/{MANIFEST_FILE}") if path.parent != dataset_folder]
    found = (path for folder in others for path in matching_paths(folder, f"*/**/*{CHECKPOINT_SUFFIX}"))
    return {file_sha256(path)[:16] for path in found if not path.name.endswith(STATE_SUFFIX)}


def forget_in_batch(path: Path, users: Set[str], foreign: Set[str] = frozenset()) -> bool:
    """Take some users out of a file of recommendations and return whether there was anything to take.

    The parts of an unfinished batch are removed: they are of data that are no more.

    Args:
        path: of the file, or of the folder of parts.
        users: raw ids.
        foreign: models whose rows stay.

    Raises:
        StorageError: the file system refused.
    """
    if path.is_dir():
        remove_parts(path)
        return True
    try:
        return _WITHOUT[path.suffix](path, users, foreign)
    except (pl.exceptions.PolarsError, pa.ArrowException, ValueError, UnicodeDecodeError):
        # Not a table, so none of ours.
        return False


def _is_no_dataset(path: Path) -> bool:
    return path.is_dir() and path.name[0] != "." and not (path / MANIFEST_FILE).exists()


def _is_own(path: Path) -> bool:
    return path.name in _OWN_FILES or path.name.endswith(RANKS_SUFFIX) or path.is_symlink()


def _rows_of(users: Set[str], foreign: Set[str], columns: Collection[str]) -> pl.Expr:
    theirs = pl.col(USER_ID).cast(pl.String).is_in(list(users))
    return theirs & ~pl.col(_MODEL).is_in(list(foreign)).fill_null(False) if _MODEL in columns else theirs


def _remove_from_parquet(path: Path, users: Set[str], foreign: Set[str]) -> bool:
    columns = pq.read_schema(path).names
    if USER_ID not in columns:
        return False
    table = pl.scan_parquet(literal(path))
    theirs = _rows_of(users, foreign, columns)
    if not table.filter(theirs).select(pl.len()).collect().item():
        return False
    with replacing(path) as temporary, open(temporary, "wb") as file, table_writer(file, "parquet") as write:
        for first in range(0, pq.read_metadata(path).num_rows, _ROWS):
            write(table.slice(first, _ROWS).filter(~theirs).collect())
    return True


def _remove_from_csv(path: Path, users: Set[str], foreign: Set[str]) -> bool:
    header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
    if USER_ID not in header:
        return False
    table = pl.read_csv(path, infer_schema=False)
    stay = table.filter(~_rows_of(users, foreign, header).fill_null(False))
    if stay.height == table.height:
        return False
    with replacing(path) as temporary:
        stay.write_csv(temporary)
    return True


def _remove_from_json_lines(path: Path, users: Set[str], foreign: Set[str]) -> bool:
    kept, gone = [], 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            if _names_one(line, users, foreign):
                gone += 1
            else:
                kept.append(line)
    if gone:
        with replacing(path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")
    return bool(gone)


def _names_one(line: str, users: Set[str], foreign: Set[str]) -> bool:
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(line)
        if isinstance(record, dict):
            kind, key = _LISTED
            listed = record.get(key) if record.get("kind") == kind else None
            named = str(record.get(USER_ID)) in users and record.get(_MODEL) not in foreign
            return named or str(listed) in users
    return False


_WITHOUT: Final = {
    ".parquet": _remove_from_parquet,
    ".csv": _remove_from_csv,
    ".jsonl": _remove_from_json_lines,
}
