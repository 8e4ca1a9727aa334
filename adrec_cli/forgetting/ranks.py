"""The ranks of evaluations without some users; the figures of their reports stay what they were measured as."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.report import (
    RANKS_NEXT_SUFFIX,
    ranks_path,
    read_ranks,
    read_report,
    report_files,
    settle_report,
    write_report,
)
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import RANKS_SUFFIX, REPORTS_FOLDER, USER_ID


def forget_in_ranks(dataset_folder: Path, users: Set[str]) -> list[Path]:
    """Rewrite every file of ranks that holds some users without them, and return these files.

    One that is damaged, or that no report needs any longer, is removed: nobody can tell who is in it.

    Raises:
        StorageError: the file system refused.
    """
    changed: list[Path] = []
    needed: set[Path] = set()
    for report in report_files(dataset_folder):
        path = ranks_path(report)
        try:
            evaluation = read_report(report)
            read_ranks(report)
        except ArtifactError:
            continue
        settle_report(report, evaluation)
        needed.add(path)
        table = pl.read_parquet(literal(path))
        stay = table.filter(~pl.col(USER_ID).is_in(list(users)))
        if stay.height < table.height:
            write_report(evaluation, stay)
            changed.append(path)
    folder = dataset_folder / REPORTS_FOLDER
    for path in sorted({*folder.glob(f"*{RANKS_SUFFIX}"), *folder.glob(f".*{RANKS_NEXT_SUFFIX}")} - needed):
        try:
            path.unlink()
        except OSError as error:
            raise storage_error("remove", path, error) from error
        changed.append(path)
    return changed
