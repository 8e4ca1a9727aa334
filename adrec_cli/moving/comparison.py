"""What of a data set here differs from what lies elsewhere, and what of that has changed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.errors import ArtifactError
from adrec_cli.moving.hashes import Hashes
from adrec_cli.moving.inventory import Inventory, StoredFile
from adrec_cli.moving.kinds import DATA, GENERATION, find_kind
from adrec_cli.wording import option

_LISTED = 3


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A data set's folder held against an inventory.

    Attributes:
        inventory: of what lies elsewhere.
        here: hash of each of its files that is here, by path.
        base: hash of each file that was last moved between here and there, by path.
    """

    inventory: Inventory
    here: Mapping[str, str]
    base: Mapping[str, str]

    @property
    def differing(self) -> list[StoredFile]:
        """Files that are not here, or are others here."""
        return [one for one in self.inventory.files if self.here.get(one.path) != one.sha256]

    @property
    def changed_here(self) -> list[str]:
        """Paths of those that differ and are not what was last moved either."""
        differing = (one.path for one in self.differing)
        return [path for path in differing if path in self.here and self.here[path] != self.base.get(path)]

    @property
    def needed(self) -> list[StoredFile]:
        """Files that must be at hand to exchange those that differ: with one of the data, or of former data, all."""
        groups = {_group(one.path) for one in self.differing}
        return [one for one in self.inventory.files if _group(one.path) in groups]

    def require_unchanged_here(self, name: str) -> None:
        """Refuse to overwrite what was made here.

        Raises:
            ArtifactError: a file has changed here.
        """
        if changed := self.changed_here:
            more = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
            raise ArtifactError(
                f"{name} has changed here since it was last pulled or pushed: {', '.join(changed[:_LISTED])}{more}",
                hint=f"push it, or overwrite it with {option('force', True)}",
            )


def compare(folder: Path, inventory: Inventory, base: Mapping[str, str], hashes: Hashes) -> Comparison:
    """Hold a data set's folder, which may be missing, against an inventory.

    Raises:
        StorageError: a file is unreadable.
    """
    found = {one.path: hashes.find(folder / one.path) for one in inventory.files}
    return Comparison(
        inventory=inventory, base=base, here={path: sha256 for path, sha256 in found.items() if sha256 is not None}
    )


def has_all(folder: Path, inventory: Inventory) -> bool:
    """Whether all files of an inventory are in a folder, each of its size; their content is not looked at."""
    try:
        return all((folder / one.path).stat().st_size == one.bytes for one in inventory.files)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error("read", folder, error) from error


def _group(path: str) -> str:
    """Return what is exchanged together with a file: the data, a generation, or the file alone."""
    kind = find_kind(path)
    if kind == DATA:
        return DATA
    return str(PurePosixPath(path).parent) if kind == GENERATION else path
