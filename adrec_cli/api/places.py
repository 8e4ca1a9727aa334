"""Which data set, in which workspace, a caller of Python means."""

from __future__ import annotations

import os
from pathlib import Path

from adrec_cli.artifacts.workspace import find_own_workspace
from adrec_cli.schema import MANIFEST_FILE

Place = str | os.PathLike[str]


def locate(dataset: Place | None, workspace: Place | None) -> tuple[Path, str | None]:
    """Return a workspace, and the name of the data set in it; None where it has to be the only one there.

    Args:
        dataset: its folder, its name, or a workspace with a single one; None leaves it to the workspace.
        workspace: where names are looked up; None takes $ADREC_WORKSPACE, else ./workspace.
    """
    root = find_own_workspace() if workspace is None else Path(workspace)
    if dataset is None:
        return root, None
    place = Path(dataset)
    # A name first: a folder that happens to be called so is no data set.
    if (root / place / MANIFEST_FILE).is_file() and place.parent == Path():
        return root, place.name
    if (place / MANIFEST_FILE).is_file():
        return place.resolve().parent, place.resolve().name
    return (place, None) if place.is_dir() or place.parent != Path() else (root, place.name)


def locate_by_checkpoint(
    checkpoint: Place | None, dataset: Place | None, workspace: Place | None
) -> tuple[Path, str | None]:
    """Return a workspace and a data set as `locate`; where neither is named, those that a checkpoint's file lies in.

    Args:
        checkpoint: its path, or a name that says nothing about where it is.
        dataset, workspace: as for `locate`.
    """
    if checkpoint is not None and dataset is None and workspace is None and Path(checkpoint).is_file():
        folders = (folder for folder in Path(checkpoint).resolve().parents if (folder / MANIFEST_FILE).is_file())
        dataset = next(folders, None)
    return locate(dataset, workspace)
