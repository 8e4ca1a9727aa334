"""A data set's files as they are at one moment, hashed; none of them is held meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.changing import recover_dataset
from adrec_cli.artifacts.dataset import verify_files
from adrec_cli.artifacts.evaluation import evaluation_of, find_unsettled_ranks
from adrec_cli.artifacts.generations import link_or_copy
from adrec_cli.artifacts.lock import Waiting, exclusive_with_all_inside, one_at_a_time
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.sweep_files import find_unsettled_results
from adrec_cli.errors import ArtifactError
from adrec_cli.moving.inventory import PART_BYTES, StoredFile
from adrec_cli.moving.kinds import list_belongings
from adrec_cli.moving.marks import COPIES_FOLDER, moving_folder
from adrec_cli.schema import RANKS_SUFFIX, REPORTS_FOLDER, RESULTS_FILE


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The files of a data set at one moment.

    Attributes:
        manifest: of the data set.
        places: where the content of each file is, by its path in the data set's folder.
        others: paths of what lies in that folder and is not adrec's.
    """

    manifest: Manifest
    places: Mapping[str, Path]
    others: list[str]


def look_at(folder: Path) -> Snapshot:
    """Return the files of a data set where they lie; they may change.

    Raises:
        ArtifactError: the manifest is missing or damaged.
    """
    found = list_belongings(folder)
    places = {path: folder / path for path in found.paths}
    return Snapshot(manifest=read_manifest(folder), places=places, others=found.others)


@contextlib.contextmanager
def taking_snapshot(folder: Path, purpose: str, waiting: Waiting) -> Iterator[Snapshot]:
    """Yield the files of a data set as they are while nobody changes them; whoever wants to may go on meanwhile.

    Artifacts never change in place, so that a second name is as good as a copy.

    Args:
        folder: of the data set; the caller holds the lock of its `moving_folder`.
        purpose: shown to whoever finds the data set locked.
        waiting: for how long, if another run holds a lock in it.

    Raises:
        LockedError: a run is under way.
        ArtifactError: the data set is damaged.
        StorageError: the file system refused.
    """
    into = moving_folder(folder) / COPIES_FOLDER
    try:
        with exclusive_with_all_inside(folder, purpose, waiting):
            recover_dataset(folder)
            manifest = read_manifest(folder)
            verify_files(folder, manifest)
            reports = folder / REPORTS_FOLDER
            # Evaluations are written under no lock but this one, which would make the folder.
            with one_at_a_time(reports) if reports.is_dir() else contextlib.nullcontext():
                found = list_belongings(folder)
                places = _link(folder, found.paths, into)
        yield Snapshot(manifest=manifest, places=places, others=found.others)
    finally:
        shutil.rmtree(into, ignore_errors=True)


def describe_file(path: str, place: Path) -> StoredFile:
    """Return a file with its hash and those of its parts.

    Args:
        path: in the data set's folder.
        place: where its content is.

    Raises:
        StorageError: unreadable.
    """
    whole, size = hashlib.sha256(), 0
    parts: list[str] = []
    try:
        with open(place, "rb") as file:
            while (content := file.read(PART_BYTES)) or not parts:
                whole.update(content)
                parts.append(hashlib.sha256(content).hexdigest())
                size += len(content)
    except OSError as error:
        raise storage_error("read", place, error) from error
    return StoredFile(path=path, sha256=whole.hexdigest(), bytes=size, parts_sha256=tuple(parts))


def _link(folder: Path, paths: list[str], into: Path) -> dict[str, Path]:
    try:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        places = {path: into / str(number) for number, path in enumerate(paths)}
        for path, place in places.items():
            link_or_copy(_find_content(folder / path).resolve(), place)
    except OSError as error:
        raise storage_error("write", into, error) from error
    return places


def _find_content(path: Path) -> Path:
    """Return where the content of a file is: ranks and figures may lie under their first name."""
    if path.name == RESULTS_FILE:
        with contextlib.suppress(ArtifactError):
            return find_unsettled_results(path.parent) or path
    if path.name.endswith(RANKS_SUFFIX):
        with contextlib.suppress(ArtifactError):
            return find_unsettled_ranks(evaluation_of(path)) or path
    return path
