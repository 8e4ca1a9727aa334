"""Files of a data set brought beside it, and checked before anything of it changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.dataset import list_hashed_files
from adrec_cli.artifacts.generations import link_or_copy
from adrec_cli.artifacts.manifest import Manifest, read_manifest_file
from adrec_cli.errors import ArtifactError, InputError
from adrec_cli.moving.comparison import Comparison
from adrec_cli.moving.hashes import Hashes
from adrec_cli.moving.inventory import Inventory, StoredFile
from adrec_cli.moving.kinds import DATA, find_kind
from adrec_cli.moving.marks import COPIES_FOLDER, moving_folder
from adrec_cli.moving.place import Place
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command

_UNFINISHED_SUFFIX = ".part"


class Arriving:
    """What has come so far, in the `moving_folder` of a data set, whose lock the caller holds.

    What a pull that was ended has left there is used again, after its content was looked at.
    """

    def __init__(self, folder: Path, place: Place, hashes: Hashes, on_bytes: Callable[[int], None]) -> None:
        self._folder, self._place, self._hashes, self._on_bytes = folder, place, hashes, on_bytes
        self._into = moving_folder(folder) / COPIES_FOLDER

    def bring(self, comparison: Comparison) -> int:
        """Bring all files that are needed, from here or from there, and return how many came from there.

        Raises:
            InputError: one cannot be read, or is not what the inventory says.
            StorageError: the file system refused.
        """
        try:
            self._into.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error("write", self._into, error) from error
        at_hand = {sha256: self._folder / path for path, sha256 in comparison.here.items()}
        return sum(self._bring(one, at_hand) for one in comparison.needed)

    def find_contents(self, comparison: Comparison) -> dict[str, Path]:
        """Return where the content of each file that is needed has come to, by its hash.

        Raises:
            ArtifactError: one has not come, as the data set was not the same when that began.
        """
        contents = {one.sha256: self._into / one.sha256 for one in comparison.needed}
        if not all(self._hashes.find(path) == sha256 for sha256, path in contents.items()):
            raise ArtifactError(f"{self._folder} changed while the files came", hint="run the same command again")
        return contents

    def _bring(self, one: StoredFile, at_hand: Mapping[str, Path]) -> bool:
        target = self._into / one.sha256
        if self._hashes.find(target) == one.sha256:
            return False
        try:
            target.unlink(missing_ok=True)
            if (here := at_hand.get(one.sha256)) is not None:
                link_or_copy(here.resolve(), target)
                return False
            unfinished = target.with_suffix(_UNFINISHED_SUFFIX)
            self._place.fetch(one, unfinished, lambda part: self._on_bytes(part.bytes))
            os.replace(unfinished, target)
        except OSError as error:
            raise storage_error("write", target, error) from error
        return True


def check_arrival(inventory: Inventory, path: Path, shown: str) -> Manifest:
    """Return the manifest of the data set that an inventory lists, if both agree.

    Args:
        inventory: of what came.
        path: where the content of the manifest is.
        shown: where it came from, for messages.

    Raises:
        InputError: the manifest is damaged, or describes other files.
    """
    try:
        manifest = read_manifest_file(path, Path(inventory.dataset))
    except ArtifactError as error:
        raise InputError(
            f"{inventory.dataset} at {shown} has no manifest that adrec could have written: {error.message}",
            hint=command("push", inventory.dataset, "URI"),
        ) from error
    described = dict(list_hashed_files(manifest))
    listed = {one.path: one.sha256 for one in inventory.files if find_kind(one.path) == DATA}
    del listed[MANIFEST_FILE]
    if described != listed:
        other = min(name for name in described.keys() | listed.keys() if described.get(name) != listed.get(name))
        raise InputError(
            f"{other} at {shown} is not the one that the manifest of {inventory.dataset} describes",
            hint="push it again from where the data set is whole",
        )
    return manifest
