"""The ranks of evaluations without some users; the figures of their reports stay what they were measured as."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.evaluation import (
    RANKS_NEXT_SUFFIX,
    list_evaluations,
    put_evaluation,
    ranks_path,
    read_evaluation,
    read_ranks,
    settle_evaluation,
)
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.lock import one_at_a_time
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import RANKS_SUFFIX, REPORTS_FOLDER, USER_ID


def forget_in_ranks(dataset_folder: Path, users: Set[str]) -> list[Path]:
    """Rewrite every file of ranks that holds some users without them, and return these files.

    One that is damaged, or that no evaluation needs any longer, is removed: nobody can tell who is in it.

    Raises:
        StorageError: the file system refused.
    """
    folder = dataset_folder / REPORTS_FOLDER
    if not folder.is_dir():
        return []
    with one_at_a_time(folder):
        return _forget(dataset_folder, users)


def _forget(dataset_folder: Path, users: Set[str]) -> list[Path]:
    changed: list[Path] = []
    needed: set[Path] = set()
    for written in list_evaluations(dataset_folder):
        path = ranks_path(written)
        try:
            evaluation = read_evaluation(written)
            read_ranks(written)
        except ArtifactError:
            continue
        settle_evaluation(written, evaluation)
        needed.add(path)
        table = pl.read_parquet(literal(path))
        stay = table.filter(~pl.col(USER_ID).is_in(list(users)))
        if stay.height < table.height:
            put_evaluation(evaluation, stay)
            changed.append(path)
    folder = dataset_folder / REPORTS_FOLDER
    patterns = (f"*{RANKS_SUFFIX}", f".*{RANKS_NEXT_SUFFIX}")
    for path in sorted({path for pattern in patterns for path in matching_paths(folder, pattern)} - needed):
        try:
            path.unlink()
        except OSError as error:
            raise storage_error("remove", path, error) from error
        changed.append(path)
    return changed
