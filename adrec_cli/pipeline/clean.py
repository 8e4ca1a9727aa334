"""`adrec clean`: what in a workspace nothing refers to any longer, and its removal."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adrec_cli.artifacts.atomic import TEMPORARY_SUFFIX, storage_error
from adrec_cli.artifacts.changing import recover_dataset
from adrec_cli.artifacts.checkpoint import verify_checkpoint, verify_state
from adrec_cli.artifacts.dataset import NEXT_SUFFIX
from adrec_cli.artifacts.evaluation import RANKS_NEXT_SUFFIX, evaluation_of, find_unsettled_ranks, list_evaluations
from adrec_cli.artifacts.generations import (
    generation_folders,
    generations_under_way,
    open_generation,
    superfluous_generations,
)
from adrec_cli.artifacts.lock import LOCK_FILE, exclusive, find_holder, one_at_a_time
from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.promotion import PROMOTED_FOLDER, files_of, read_current
from adrec_cli.artifacts.steadily import read_steadily
from adrec_cli.data.reading.scratch import SCRATCH_FOLDER
from adrec_cli.errors import ArtifactError, LockedError
from adrec_cli.moving.marks import COPIES_FOLDER, MOVING_SUFFIX
from adrec_cli.schema import (
    CHECKPOINT_SUFFIX,
    CURRENT_FILE,
    GENERATIONS_FOLDER,
    MANIFEST_FILE,
    PENDING_FILE,
    RANKS_SUFFIX,
    REPORTS_FOLDER,
    SEED_FOLDER,
    STATE_SUFFIX,
    SWEEPS_FOLDER,
)
from adrec_cli.sweeping.shared_stages import STAGES_FOLDER
from adrec_cli.wording import option

_UNFINISHED = (TEMPORARY_SUFFIX, NEXT_SUFFIX, RANKS_NEXT_SUFFIX)


@dataclass(frozen=True, kw_only=True)
class Removable:
    """Something nothing refers to.

    Attributes:
        path: of a file, or of a folder that goes with all in it.
        folder: whose lock is held while it is removed.
        size: in bytes.
        reason: why it can go.
    """

    path: Path
    folder: Path
    size: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What was removed, and what was not because another run works there."""

    removed: list[Removable]
    in_use: list[Removable]


def removable(workspace: Path) -> list[Removable]:
    """Return what can go; nothing is removed.

    Raises:
        ArtifactError: there is no such workspace.
    """
    if not workspace.is_dir():
        raise ArtifactError(f"{workspace} does not exist", hint=f"check {option('workspace')}")
    found: list[Removable] = []
    for place in sorted(matching_paths(workspace, f".*{MOVING_SUFFIX}")):
        found += _look_into(place)
    for folder in _visible(workspace):
        # Another folder beside the data sets is nobody's business here.
        if not any((folder / name).exists() for name in (LOCK_FILE, MANIFEST_FILE)):
            continue
        found += _look_into(folder)
        for inner in _visible(folder):
            if inner.name != SWEEPS_FOLDER:
                found += _look_into(inner)
            for seeded in sorted(matching_paths(inner, f"{SEED_FOLDER}*")):
                found += _look_into(seeded)
        for sweep in _visible(folder / SWEEPS_FOLDER):
            found += _look_into(sweep)
    return found


def _look_into(folder: Path) -> list[Removable]:
    """Return what can go in a folder once nobody works there: only then can one tell what a killed run has left."""
    holder = find_holder(folder)
    watched = [folder, *(folder / name for name in (MANIFEST_FILE, CURRENT_FILE, PROMOTED_FOLDER, GENERATIONS_FOLDER))]
    found = read_steadily(lambda: watched, lambda: list(_in_folder(folder)))
    if holder := holder or find_holder(folder):
        return [replace(one, reason=f"perhaps, once {holder} has ended") for one in found]
    return found


def _visible(folder: Path) -> list[Path]:
    """Return the folders in a folder, which may be missing, without hidden ones."""
    return sorted(path for path in matching_paths(folder, "*") if path.is_dir() and path.name[0] != ".")


def clean(found: list[Removable]) -> Cleaned:
    """Remove what `removable` found, unless another run works in its folder.

    Raises:
        StorageError: the file system refused.
    """
    removed: list[Removable] = []
    in_use: list[Removable] = []
    for folder in dict.fromkeys(one.folder for one in found):
        here = [one for one in found if one.folder == folder]
        try:
            with exclusive(folder, "clean"):
                if (folder / MANIFEST_FILE).is_file():
                    # A killed run may have left files that are the data set's already.
                    recover_dataset(folder)
                # Looked at again: a run may have promoted or gone on from something while the user was asked.
                with one_at_a_time(folder):
                    still = {one.path for one in _in_folder(folder)}
                    for one in here:
                        if one.path in still:
                            _remove(one.path)
        except LockedError:
            in_use += here
        else:
            removed += here
    return Cleaned(removed=removed, in_use=in_use)


def _in_folder(folder: Path) -> Iterator[Removable]:
    """Find what can go in the folder of a data set, of a model, of reports, or of a sweep with its stages."""
    for place in (folder, *_visible(folder / STAGES_FOLDER)):
        for path in sorted(_find_left_by_killed_runs(place)):
            yield from _removable(path, folder, "left by a run that was killed")
        for path in sorted(matching_paths(place, f"*{STATE_SUFFIX}")):
            if reason := _explain_spent(path):
                yield from _removable(path, folder, reason)
    if _is_left_over(folder / PENDING_FILE):
        yield from _removable(folder / PENDING_FILE, folder, "the data set beside it holds nothing back")
    current = read_current(folder)
    named = {folder / one.checkpoint for one in (current, *current.earlier, *current.left)} if current else set()
    named = {path for checkpoint in named for path in files_of(checkpoint)}
    # Where nothing says what is current, one of them may be what can be gone back to.
    for path in sorted(matching_paths(folder / PROMOTED_FOLDER, "*")) if current else []:
        if path not in named and path.name[0] != ".":
            yield from _removable(path, folder, "a promoted model that is kept no longer")
    yield from _former_data(folder)
    for path in sorted(matching_paths(folder, f"*{RANKS_SUFFIX}")) if folder.name == REPORTS_FOLDER else []:
        if not evaluation_of(path).is_file():
            yield from _removable(path, folder, "ranks without their evaluation")


def _former_data(folder: Path) -> Iterator[Removable]:
    """Find generations of a data set that are damaged, kept no longer, or half made."""
    for path in generations_under_way(folder):
        yield from _removable(path, folder, "left by a run that was killed")
    superfluous: list[Path] = []
    with contextlib.suppress(ArtifactError):
        superfluous = superfluous_generations(folder)
    for number, path in generation_folders(folder).items():
        if path in superfluous:
            yield from _removable(path, folder, "a former data set that is kept no longer")
            continue
        try:
            open_generation(folder, number)
        except ArtifactError:
            yield from _removable(path, folder, "a former data set, damaged")


def _find_left_by_killed_runs(folder: Path) -> set[Path]:
    """Return temporaries, and files on their way to their place that no evaluation still needs there."""
    left = {path for suffix in _UNFINISHED for path in matching_paths(folder, f".*{suffix}")}
    left |= {
        *matching_paths(folder / PROMOTED_FOLDER, f".*{TEMPORARY_SUFFIX}"),
        *matching_paths(folder, SCRATCH_FOLDER),
    }
    if folder.name.endswith(MOVING_SUFFIX):
        left |= set(matching_paths(folder, COPIES_FOLDER))
    if folder.name == REPORTS_FOLDER:
        for evaluation in list_evaluations(folder.parent):
            with contextlib.suppress(ArtifactError):
                left.discard(find_unsettled_ranks(evaluation) or evaluation)
    if folder.parent.name == SWEEPS_FOLDER and left:
        # Only here, where there is something to ask of a sweep: it loads Polars.
        from adrec_cli.artifacts.sweep_files import find_unsettled_results

        with contextlib.suppress(ArtifactError):
            left.discard(find_unsettled_results(folder) or folder)
    return left


def _is_left_over(pending: Path) -> bool:
    """Return whether a `pending.parquet` belongs to no data set: the manifest beside it is whole and names none."""
    if not pending.is_file():
        return False
    try:
        return read_manifest(pending.parent).pending_sha256 is None
    except ArtifactError:
        return False


def _explain_spent(state: Path) -> str:
    """Return why a state can go; "" while its stage can go on from it."""
    checkpoint = state.with_name(state.name.removesuffix(STATE_SUFFIX) + CHECKPOINT_SUFFIX)
    try:
        text = verify_state(state)
    except ArtifactError:
        return "the state of a stage, damaged"
    try:
        finished = verify_checkpoint(checkpoint).run_key == text.get("run_key")
    except ArtifactError:
        return ""
    return "the state of a stage that is finished" if finished else ""


def _removable(path: Path, folder: Path, reason: str) -> Iterator[Removable]:
    """Yield what can go, unless another run has removed it meanwhile: nothing is locked while one looks."""
    with contextlib.suppress(FileNotFoundError):
        path.lstat()
        files = [path] if path.is_file() else [entry for entry in matching_paths(path, "**/*") if entry.is_file()]
        size = sum(entry.stat().st_size for entry in files)
        yield Removable(path=path, folder=folder, size=size, reason=reason)


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise storage_error("remove", path, error) from error
