"""Which checkpoint of a model is current, and the items it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.atomic import file_identity, find_sha256
from adrec_cli.artifacts.checkpoint import load_known_checkpoint
from adrec_cli.artifacts.promotion import advise_promotion, find_promoted, items_beside
from adrec_cli.artifacts.tensor_file import Once
from adrec_cli.errors import ArtifactError, StorageError
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint
from adrec_cli.loading.trained import find_finished_checkpoint
from adrec_cli.schema import CURRENT_FILE
from adrec_cli.wording import command, say_count

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Found:
    """A checkpoint that was found and not read yet.

    Attributes:
        path: of its file.
        sha256: that its file must have; None where nothing says it.
        identity: tells its file from another of the same name.
    """

    path: Path
    sha256: str | None = None
    identity: tuple[int, ...] | None = None

    @classmethod
    def at(cls, path: Path, sha256: str | None = None) -> Found:
        """Return the checkpoint that a path leads to now."""
        return cls(path=path, sha256=sha256, identity=file_identity(path))

    def open(self, dataset: Dataset, *, once: Once | None = None) -> tuple[Checkpoint, pl.DataFrame]:
        """Open it with its items, as `open_with_items`; a promoted one that is another now is refused."""
        try:
            return open_with_items(self.path, dataset, sha256=self.sha256, once=once)
        except (ArtifactError, StorageError):
            self.require_unchanged()
            raise

    def require_unchanged(self) -> None:
        """Refuse a promoted checkpoint that is another now.

        Raises:
            ArtifactError: it was damaged or exchanged.
        """
        if self.sha256 is not None and find_sha256(self.path) not in (None, self.sha256):
            raise ArtifactError(
                f"{self.path} is damaged or was replaced: it is not what {CURRENT_FILE} names",
                hint=_advise(self.path.parents[1]),
            )


def open_with_items(
    path: Path, dataset: Dataset, *, sha256: str | None = None, once: Once | None = None
) -> tuple[Checkpoint, pl.DataFrame]:
    """Open a checkpoint and the items it was trained with: those of the dataset, or the ones kept beside it.

    Args:
        path, dataset, sha256, once: as `open_checkpoint`.

    Raises:
        ArtifactError: damaged, of another dataset, or its items are neither there nor there.
    """
    checkpoint, beside = open_beside_items(path, dataset, sha256=sha256, once=once)
    if beside is None:
        return checkpoint, dataset.items
    from adrec_cli.data.sequences import load_items

    items = load_items(beside)
    if checkpoint.metadata.item_count != items.height:
        raise _count_error(checkpoint, items.height, beside.name)
    return checkpoint, items


def open_beside_items(
    path: Path, dataset: Dataset, *, sha256: str | None = None, once: Once | None = None
) -> tuple[Checkpoint, Path | None]:
    """Open a checkpoint, and return where the items lie that it was trained with; None where they are the dataset's.

    Args:
        path, dataset, sha256, once: as `open_checkpoint`.

    Raises:
        ArtifactError: as `open_with_items`.
    """
    beside = items_beside(path)
    if not beside.is_file():
        return open_checkpoint(path, dataset, sha256=sha256, once=once), None
    tensors, metadata, found = load_known_checkpoint(path, sha256=sha256, once=once)
    if metadata.dataset != dataset.manifest.dataset:
        raise ArtifactError(
            f"{path} was trained on dataset {metadata.dataset!r}, here is {dataset.manifest.dataset!r}",
            hint=f"train on this one: {command('train', dataset.manifest.dataset, model=metadata.model)}",
        )
    if find_sha256(beside) != metadata.items_sha256:
        raise ArtifactError(
            f"{beside} is damaged: it is not what {path.name} was trained with", hint=_advise(path.parents[1])
        )
    checkpoint = Checkpoint(path=path, sha256=found, metadata=metadata, tensors=tensors)
    if metadata.items_sha256 != dataset.manifest.items_sha256:
        return checkpoint, beside
    if not dataset.may_have(metadata.item_count):
        raise _count_error(checkpoint, dataset.item_count, beside.name)
    return checkpoint, None


def _count_error(checkpoint: Checkpoint, items: int, file_name: str) -> ArtifactError:
    return ArtifactError(
        f"{checkpoint.path} is damaged: it says "
        f"{say_count(checkpoint.metadata.item_count, 'item')}, {file_name} has {items:,}",
        hint=_advise(checkpoint.path.parents[1]),
    )


def _advise(folder: Path) -> str:
    """Return what is to be typed where the promoted model of a model's folder cannot be used."""
    return f"{advise_promotion(folder)}, or go back with: {command('rollback', folder.parent.name, model=folder.name)}"


def current_checkpoint(folder: Path) -> Path | None:
    """Return the promoted checkpoint of a model's folder, else the one of its last stage, else None.

    Raises:
        ArtifactError: `current.json` names a file that is not there, or is damaged.
    """
    found = find_current(folder)
    if found is None:
        return None
    found.require_unchanged()
    return found.path


def find_current(folder: Path) -> Found | None:
    """Return what `current_checkpoint` does, before its content was looked at.

    Raises:
        ArtifactError: `current.json` names a file that is not there.
    """
    current = find_promoted(folder, hint=_advise(folder))
    if current is not None:
        return Found.at(folder / current.checkpoint, current.sha256)
    finished = find_finished_checkpoint(folder)
    return None if finished is None else Found.at(finished)


def open_current(found: Found, dataset: Dataset) -> tuple[Checkpoint, pl.DataFrame]:
    """Open what `find_current` returned, or what is current by now if another run has removed that meanwhile.

    Args:
        found: to open; one that is not promoted is opened or refused.
        dataset: as `open_checkpoint`.

    Raises:
        ArtifactError: as `open_with_items`.
    """
    while True:
        try:
            return found.open(dataset)
        except (ArtifactError, StorageError):
            now = Found.at(found.path) if found.sha256 is None else find_current(found.path.parents[1])
            if now is None or now.identity is None or now == found:
                raise
            found = now
