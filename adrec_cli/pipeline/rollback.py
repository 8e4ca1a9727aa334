"""`adrec rollback`: back to the model that was current before, or to the data set as it was before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.changing import (
    find_gone_sources,
    go_back,
    manifest_before,
    read_forgotten,
    recover_dataset,
)
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.dataset import next_path
from adrec_cli.artifacts.generations import FormerData, generation_folders, link_or_copy, open_generation
from adrec_cli.artifacts.lock import AT_ONCE, Waiting, exclusive, exclusive_with_all_inside
from adrec_cli.artifacts.manifest import Manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.promotion import Generation, read_current, withdraw
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.leaving_out import find_forgotten, write_without
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.current import open_with_items
from adrec_cli.loading.opening import open_dataset
from adrec_cli.models.registry import DEFAULT_MODEL
from adrec_cli.schema import CURRENT_FILE
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """What is current now.

    Attributes:
        current: the generation that was gone back to.
        withdrawn: sha256 of the model that is not promoted again.
        earlier: how many generations are left to go back to.
    """

    dataset: str
    model: str
    current: Generation
    withdrawn: str
    earlier: int


@dataclass(frozen=True, kw_only=True)
class DataRolledBack:
    """What the data set is now.

    Attributes:
        dataset: its name.
        generation: its number.
        statistics: of what it is now.
        withdrawn: names of files that are in it no longer, and are not taken again by themselves.
        left: the number under which what it was until now is kept; None where that was damaged or is not kept.
        earlier: numbers of generations that can be gone back to from here.
        models: names of models whose promoted checkpoint was trained on what it was until now.
    """

    dataset: str
    generation: int
    statistics: dict[str, Any]
    withdrawn: list[str]
    left: int | None
    earlier: list[int]
    models: list[str]


def rollback(
    dataset_name: str | None, *, model_name: str = DEFAULT_MODEL, workspace: Path, waiting: Waiting = AT_ONCE
) -> RolledBack:
    """Make the generation before the current one current, after checking that it can be used.

    Args:
        dataset_name: None takes the only one.
        model_name: registered.
        workspace: where datasets are.
        waiting: for how long, if another run holds the lock.

    Raises:
        ArtifactError: nothing came before, or it is damaged.
        LockedError: a run is under way.
    """
    dataset_folder = Workspace(workspace).dataset_folder(dataset_name)
    folder = dataset_folder / model_name
    if not folder.is_dir():
        raise ArtifactError(
            f"{dataset_folder.name} has no model {model_name}",
            hint=command("run", dataset_folder.name, model=model_name),
        )
    with exclusive(folder, f"rollback {dataset_folder.name}", waiting):
        before = read_current(folder)
        if before is not None and before.earlier:
            open_with_items(folder / before.earlier[0].checkpoint, open_dataset(dataset_folder))
        current = withdraw(folder)
    return RolledBack(
        dataset=dataset_folder.name,
        model=model_name,
        current=current,
        withdrawn=current.withdrawn[-1],
        earlier=len(current.earlier),
    )


def rollback_data(
    dataset_name: str | None, *, workspace: Path, to: int | None = None, waiting: Waiting = AT_ONCE
) -> DataRolledBack:
    """Make a data set what it was before its last change; what it was until now is kept, and its files are withdrawn.

    No model is touched: promoted ones bring their own items.

    Args:
        dataset_name: None takes the only one.
        workspace: where data sets are.
        to: the generation to go to; None takes the one the current one was made from.
        waiting: for how long, if another run holds a lock.

    Raises:
        ArtifactError: nothing came before, or it is kept no longer, or damaged.
        LockedError: a run is under way.
    """
    folder = _folder_to_go_back(Workspace(workspace), dataset_name)
    with exclusive_with_all_inside(folder, f"rollback {folder.name} {option('data', True)}", waiting):
        recover_dataset(folder)
        before = manifest_before(folder)
        former = _former(folder, before, to)
        now = go_back(folder, _put_files(folder, former), before)
        models = [] if before is None else _find_promoted_on(folder, before.sequences_sha256)
    kept = generation_folders(folder)
    return DataRolledBack(
        dataset=folder.name,
        generation=now.generation,
        statistics=now.statistics,
        withdrawn=[] if before is None else [str(one.get("name")) for one in find_gone_sources(before, now)],
        left=before.generation if before is not None and before.generation in kept else None,
        earlier=_ancestors(folder, now),
        models=models,
    )


def _folder_to_go_back(space: Workspace, dataset_name: str | None) -> Path:
    """Return the folder of a data set, also of one whose manifest is lost."""
    if dataset_name is not None and generation_folders(space.root / dataset_name):
        return space.root / dataset_name
    return space.dataset_folder(dataset_name)


def _former(folder: Path, before: Manifest | None, to: int | None) -> FormerData:
    """Return the generation to go back to; where the current one cannot say, the newest."""
    kept = list(generation_folders(folder))
    if to is None and before is None:
        to = kept[-1]
    elif to is None and before is not None:
        to = before.former
        if not to:
            raise ArtifactError(
                f"nothing came before generation {before.generation} of {folder.name}",
                hint="former generations are kept from the first change on",
            )
    if before is not None and to == before.generation:
        raise ArtifactError(f"{folder.name} is at generation {to} already", hint=f"available: {kept or 'none'}")
    assert to is not None
    return open_generation(folder, to)


def _put_files(folder: Path, former: FormerData) -> Manifest:
    """Put a generation's files at `next_path`, without those who were forgotten since, and return their manifest.

    A `forget` that was killed has recorded who left, and may not have come to this generation.
    """
    if left := find_forgotten(former.files, read_forgotten(folder)):
        return write_without(former.files, former.manifest, left, folder)
    try:
        for name, path in former.files.items():
            link_or_copy(path, next_path(folder, name))
    except OSError as error:
        raise storage_error("write", folder, error) from error
    return former.manifest


def _ancestors(folder: Path, manifest: Manifest) -> list[int]:
    """Return the kept generations that can be gone back to one after the other."""
    found: list[int] = []
    number = manifest.former
    while number in generation_folders(folder) and number not in found:
        found.append(number)
        try:
            number = open_generation(folder, number).manifest.former
        except ArtifactError:
            break
    return found


def _find_promoted_on(folder: Path, sequences_sha256: str) -> list[str]:
    """Return the models whose promoted checkpoint was trained on these sequences."""
    found = []
    for path in sorted(matching_paths(folder, f"*/{CURRENT_FILE}")):
        with contextlib.suppress(ArtifactError):
            current = read_current(path.parent)
            said = None if current is None else read_metadata(path.parent / current.checkpoint)
            if said is not None and said.sequences_sha256 == sequences_sha256:
                found.append(path.parent.name)
    return found
