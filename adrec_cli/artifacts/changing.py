"""Every change of a data set, in one step that keeps what it was before; and what a killed change left."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.atomic import TEMPORARY_SUFFIX, storage_error
from adrec_cli.artifacts.dataset import NEXT_SUFFIX, commit_dataset, settle_files
from adrec_cli.artifacts.generations import (
    generation_folders,
    generations_under_way,
    keep_generation,
    settle_generations,
    superfluous_generations,
)
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.artifacts.sources import identify_source
from adrec_cli.errors import ArtifactError


def change_dataset(folder: Path, manifest: Manifest, *, keep: int | None = None) -> Manifest:
    """Make the files at `next_path` and their manifest the next generation of a data set, and keep the former one.

    What was recorded about files and forgotten users stays. The caller holds the folder's lock.

    Args:
        folder: of the data set.
        manifest: of what it becomes; its number, its former one and `keep_data` are set here.
        keep: former generations that stay; None keeps as many as before.

    Returns:
        the manifest as it was written.

    Raises:
        StorageError: the file system refused; what a reader finds is all old or all new.
    """
    before = manifest_before(folder)
    if before is None:
        number, former = next_generation(folder, None), 0
        changed = dataclasses.replace(manifest, generation=number, former=former, forgotten=read_forgotten(folder))
    else:
        changed = dataclasses.replace(
            manifest,
            generation=next_generation(folder, before),
            former=before.generation,
            keep_data=before.keep_data,
            withdrawn=still_withdrawn(before, manifest),
            forgotten=before.forgotten,
        )
    if keep is not None:
        changed = dataclasses.replace(changed, keep_data=keep)
    return replace_dataset(folder, changed)


def replace_dataset(folder: Path, manifest: Manifest) -> Manifest:
    """Make the files at `next_path` and exactly this manifest the data set of a folder, and keep the former one."""
    if manifest.keep_data:
        keep_generation(folder)
    commit_dataset(folder, manifest)
    settle_generations(folder)
    return manifest


def go_back(folder: Path, former: Manifest, before: Manifest | None) -> Manifest:
    """Make a former generation the data set again; what it was until now is kept, and files only it had are withdrawn.

    Args:
        folder: of the data set; the caller holds its lock, and has put the generation's files at `next_path`.
        former: of these files.
        before: what the data set is; None where that is damaged.

    Returns:
        the manifest as it was written.

    Raises:
        StorageError: the file system refused; what a reader finds is all old or all new.
    """
    if before is None:
        return replace_dataset(folder, dataclasses.replace(former, forgotten=read_forgotten(folder)))
    gone = find_gone_sources(before, former)
    known = {identify_source(source) for source in gone}
    gone = [source for source in still_withdrawn(before, former) if identify_source(source) not in known] + gone
    manifest = dataclasses.replace(former, withdrawn=gone, forgotten=before.forgotten, keep_data=before.keep_data)
    return replace_dataset(folder, manifest)


def find_gone_sources(before: Manifest, now: Manifest) -> list[dict[str, Any]]:
    """Return the sources of a data set that are not among those it has now."""
    stay = {identify_source(source) for source in now.sources}
    return [source for source in before.sources if "sha256" in source and identify_source(source) not in stay]


def manifest_before(folder: Path) -> Manifest | None:
    """Return the manifest of what is there; None where nothing is, or it is damaged."""
    try:
        return read_manifest(folder)
    except ArtifactError:
        return None


def read_forgotten(folder: Path) -> dict[str, Any]:
    """Return who left a data set, as its manifest says it, or where that is damaged those of its former data.

    `adrec forget` notes it in all of them, though one that was killed not yet in each.
    """
    if (manifest := manifest_before(folder)) is not None:
        return manifest.forgotten
    former = [manifest_before(place) for place in generation_folders(folder).values()]
    told = [one.forgotten for one in former if one is not None]
    return max(told, key=lambda forgotten: len(forgotten.get("users", [])), default={})


def next_generation(folder: Path, before: Manifest | None) -> int:
    """Return a number that no generation had that is known of."""
    return max([*generation_folders(folder), 0 if before is None else before.generation]) + 1


def still_withdrawn(before: Manifest, manifest: Manifest) -> list[dict[str, object]]:
    """Return the withdrawn sources without those that were taken again."""
    taken = {identify_source(source) for source in manifest.sources}
    return [source for source in before.withdrawn if identify_source(source) not in taken]


def find_withdrawn(folder: Path) -> set[str]:
    """Return the hashes of the sequences that a data set was gone back from, of those former data that are kept.

    Each generation has a higher number than those before it, and names the one that it was made from.
    """
    manifest = oldest = manifest_before(folder)
    if manifest is None or oldest is None:
        return set()
    kept = {number: manifest_before(place) for number, place in generation_folders(folder).items()}
    former = {number: one for number, one in kept.items() if one is not None}
    line = {manifest.generation: manifest}
    while oldest.former < oldest.generation and oldest.former in former:
        oldest = line[oldest.former] = former[oldest.former]
    # What the oldest that is known of was made from is not kept, and may have been made from any before it.
    left = {one.sequences_sha256 for number, one in former.items() if number > oldest.former and number not in line}
    return left - {one.sequences_sha256 for one in line.values()}


def needs_recovery(folder: Path) -> bool:
    """Return whether a writer of this folder was killed and left something."""
    if any(path for suffix in (NEXT_SUFFIX, TEMPORARY_SUFFIX) for path in matching_paths(folder, f".*{suffix}")):
        return True
    try:
        return bool(generations_under_way(folder) or superfluous_generations(folder))
    except ArtifactError:
        return False


def recover_dataset(folder: Path) -> None:
    """Finish or undo what a killed writer left. The caller holds the folder's lock.

    Raises:
        StorageError: the file system refused.
    """
    try:
        settle_files(folder)
    except OSError as error:
        raise storage_error("write", folder, error) from error
    settle_generations(folder)
