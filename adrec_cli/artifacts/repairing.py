"""What to type where a data set is damaged."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.schema import GENERATIONS_FOLDER
from adrec_cli.wording import command


def advise_repair(folder: Path) -> str:
    """Return what to type where files of a data set, or of a former one, are damaged or gone.

    A data set that came of files of one's own does not know where they lie, and may have grown by others since.

    Args:
        folder: of the data set, or of a generation of it.
    """
    if folder.parent.name == GENERATIONS_FOLDER:
        return f"remove it with: {command('clean')}"
    again = f"make it again from its source: {command('preprocess', 'SOURCE', name=folder.name, force=True)}"
    if any(matching_paths(folder / GENERATIONS_FOLDER, "[0-9]*")):
        return f"go back to the data before with: {command('rollback', folder.name, data=True)}, or {again}"
    return again
