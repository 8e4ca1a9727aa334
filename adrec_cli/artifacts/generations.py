"""What a data set was before: former generations under `generations/NUMBER/`, whole and hashed like the current one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.atomic import replacing, storage_error, sync_folder
from adrec_cli.artifacts.dataset import verify_files
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import GENERATIONS_FOLDER, MANIFEST_FILE
from adrec_cli.wording import command, option

_UNDER_WAY: Final = ".*"
"""Names of generations that are being made or removed; a killed run may leave them."""


@dataclass(frozen=True, kw_only=True)
class FormerData:
    """A former generation of a data set, whole.

    Attributes:
        folder: with its files.
        manifest: what it is.
        files: where each is, by its name; checked, as `verify_files`.
    """

    folder: Path
    manifest: Manifest
    files: Mapping[str, Path]


def generation_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of a data set's former generations by their number, ascending; they may be damaged."""
    found = matching_paths(folder / GENERATIONS_FOLDER, "[0-9]*")
    numbered = (path for path in found if path.name.isascii() and path.name.isdigit())
    return dict(sorted((int(path.name), path) for path in numbered if path.is_dir()))


def open_generation(folder: Path, number: int) -> FormerData:
    """Return a former generation after checking all of its files.

    Args:
        folder: of the data set.
        number: of the generation.

    Raises:
        ArtifactError: it is not there, or damaged.
        StorageError: unreadable.
    """
    place = generation_folders(folder).get(number)
    if place is None:
        kept = ", ".join(map(str, generation_folders(folder))) or "none"
        raise ArtifactError(
            f"generation {number} of {folder.name} is not kept; available: {kept}",
            hint=f"keep more of them with {option('keep_data', 'N')}",
        )
    manifest = read_manifest(place)
    if manifest.generation != number:
        raise ArtifactError(f"{place} holds generation {manifest.generation}", hint=command("clean"))
    return FormerData(folder=place, manifest=manifest, files=verify_files(place, manifest))


def keep_generation(folder: Path) -> None:
    """Keep the data set of a folder, as it is, under its number; the caller holds the lock and changes it next.

    A data set that is damaged is not kept, as nobody could go back to it.

    Raises:
        StorageError: the file system refused.
    """
    try:
        manifest = read_manifest(folder)
        files = verify_files(folder, manifest)
    except ArtifactError:
        return
    with making_generation(folder, manifest.generation) as making:
        for name, path in {**files, MANIFEST_FILE: folder / MANIFEST_FILE}.items():
            link_or_copy(path, making / name)


@contextlib.contextmanager
def making_generation(folder: Path, number: int) -> Iterator[Path]:
    """Yield an empty folder that becomes a generation of a data set, in place of one that is there.

    Raises:
        StorageError: the file system refused.
    """
    place = folder / GENERATIONS_FOLDER / f"{number:06}"
    making = place.with_name(f".{place.name}.making")
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        yield making
        sync_folder(making)
        if place.exists():
            _remove(place)
        os.replace(making, place)
        sync_folder(place.parent)
    except OSError as error:
        raise storage_error("write", place, error) from error


def remove_generation(folder: Path, number: int) -> None:
    """Remove a generation of a data set.

    Raises:
        StorageError: the file system refused.
    """
    place = generation_folders(folder)[number]
    try:
        _remove(place)
    except OSError as error:
        raise storage_error("remove", place, error) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Give an artifact, which never changes in place, a second name; copy it where there are no hard links.

    Raises:
        OSError: the file system refused.
        StorageError: a copy could not be written.
    """
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def superfluous_generations(folder: Path) -> list[Path]:
    """Return the former generations that the current one does not keep: beyond its number of them, or itself.

    Raises:
        ArtifactError: the manifest is missing or damaged.
    """
    manifest = read_manifest(folder)
    found = generation_folders(folder)
    itself = found.pop(manifest.generation, None)
    beyond = list(found.values())[: max(0, len(found) - manifest.keep_data)]
    return beyond if itself is None else [*beyond, itself]


def generations_under_way(folder: Path) -> list[Path]:
    """Return what a killed run left of generations that it was making or removing."""
    return sorted(matching_paths(folder / GENERATIONS_FOLDER, _UNDER_WAY))


def settle_generations(folder: Path) -> None:
    """Remove the generations that are kept no longer, and what killed runs left; the caller holds the lock.

    Raises:
        StorageError: the file system refused.
    """
    try:
        with contextlib.suppress(ArtifactError):
            for place in superfluous_generations(folder):
                _remove(place)
        for leftover in generations_under_way(folder):
            shutil.rmtree(leftover)
        with contextlib.suppress(FileNotFoundError):
            if not any((folder / GENERATIONS_FOLDER).iterdir()):
                (folder / GENERATIONS_FOLDER).rmdir()
    except OSError as error:
        raise storage_error("remove", folder / GENERATIONS_FOLDER, error) from error


def _remove(place: Path) -> None:
    """Remove a generation; a killed run leaves it whole, or under a name that says what it was at."""
    removing = place.with_name(f".{place.name}.removing")
    shutil.rmtree(removing, ignore_errors=True)
    os.replace(place, removing)
    shutil.rmtree(removing)
