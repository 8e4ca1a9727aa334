"""Takes a stage that was trained elsewhere with the very same options, data and code, rather than training it again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from adrec_cli.artifacts.atomic import replacing
from adrec_cli.experiments.keys import up_to_date
from adrec_cli.schema import CHECKPOINT_SUFFIX


def adopt_stage(folder: Path, others: Iterable[Path], stage_name: str, key: str) -> None:
    """Copy a stage's checkpoint and log into a folder, if another one has it with the very same key.

    Args:
        folder: whose lock the caller holds; nothing happens where the stage is up to date there.
        others: folders to look into.
        stage_name: of the stage.
        key: as `stage_key`.

    Raises:
        StorageError: the file system refused.
    """
    path = folder / f"{stage_name}{CHECKPOINT_SUFFIX}"
    if up_to_date(path, key) is not None:
        return
    for other in (place / path.name for place in others):
        if other != path and up_to_date(other, key) is not None:
            log = other.with_suffix(".jsonl")
            if log.is_file():
                _copy(log, path.with_suffix(".jsonl"))
            _copy(other, path)
            return


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
