"""Opens datasets and checkpoints, checked, before any command computes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from adrec_cli.artifacts.atomic import file_identity
from adrec_cli.artifacts.checkpoint import load_known_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata
from adrec_cli.artifacts.dataset import DatasetFiles, verify_dataset
from adrec_cli.artifacts.item_vectors import ids_sha256
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.artifacts.repairing import advise_repair
from adrec_cli.artifacts.tensor_file import Once
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.config import build
from adrec_cli.data.shards import WHOLE, Shard
from adrec_cli.errors import ArtifactError, StorageError, UsageError
from adrec_cli.loading.registered import require_registered
from adrec_cli.models.registry import find_model
from adrec_cli.schema import COUNT, ITEM_ID, MANIFEST_FILE
from adrec_cli.wording import command, say_count

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl
    import torch

    from adrec_cli.data.sequences import Sequences
    from adrec_cli.models.base import SequentialRecommender
    from adrec_cli.models.most_popular import MostPopular

Read = TypeVar("Read")

_SPLIT_CODES = {"time": "time", "cold-items": "cold"}
"""Splits by their names in `preprocess`; all others leave one out."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is in the files of a dataset.

    Attributes:
        items: one row per item.
        sequences: of all users.
    """

    items: pl.DataFrame
    sequences: Sequences


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A preprocessed dataset, whole and verified.

    Attributes:
        folder: in the workspace.
        manifest: of the data set.
        read: returns what is in its files; called when that is first asked for.
    """

    folder: Path
    manifest: Manifest
    read: Callable[[], Content]

    @functools.cached_property
    def _content(self) -> Content:
        return self.read()

    @property
    def items(self) -> pl.DataFrame:
        """One row per item."""
        return self._content.items

    @property
    def sequences(self) -> Sequences:
        """The events of all users."""
        return self._content.sequences

    @property
    def item_count(self) -> int:
        """How many items it has, those among them of which no event is left."""
        return self.items.height

    def may_have(self, items: int) -> bool:
        """Whether it may have a number of items: exactly its own, or, before it is read, no fewer than have events."""
        least: int = self.manifest.statistics["items"]
        return items == self.item_count if "_content" in vars(self) else items >= least

    @functools.cached_property
    def ids_sha256(self) -> str:
        """Hash of the ids of its items in their order, which takes long for many."""
        return ids_sha256(self.items[ITEM_ID])

    @property
    def train_counts(self) -> npt.NDArray[np.int64]:
        """Train events of each item, from index 1 on."""
        counts: npt.NDArray[np.int64] = self.items[COUNT].to_numpy().astype("int64")
        return counts

    @property
    def split(self) -> str:
        """How it was split, for protocol codes: "loo", "time" or "cold"."""
        return _SPLIT_CODES.get(self.manifest.parameters.get("split") or "", "loo")


def open_dataset(folder: Path, *, shard: Shard = WHOLE) -> Dataset:
    """Open a dataset's folder, verify the hashes of its files and read them.

    Args:
        folder: of the dataset.
        shard: the users whose sequences are read.

    Raises:
        ArtifactError: missing, damaged or of another format version.
    """
    manifest, content = read_dataset(folder, functools.partial(_read_content, shard=shard))
    dataset = Dataset(folder=folder, manifest=manifest, read=lambda: content)
    _ = dataset.items
    return dataset


def find_dataset(folder: Path) -> Dataset:
    """Open a dataset's folder and verify the hashes of its files, which are read when that is first asked for.

    What is up to date needs none of it: whatever was made of files with these hashes has been made by reading them.

    Raises:
        ArtifactError: as `open_dataset`; later, where it is asked for its content, also if that has changed meanwhile.
    """
    manifest, _ = read_dataset(folder, lambda manifest, files: None)
    return Dataset(folder=folder, manifest=manifest, read=functools.partial(_read_unchanged, folder, manifest))


def _read_unchanged(folder: Path, manifest: Manifest) -> Content:
    dataset = open_dataset(folder)
    if dataset.manifest != manifest:
        raise ArtifactError(f"{folder} has changed since it was opened", hint="run the same command again")
    return dataset.read()


def read_dataset(folder: Path, read: Callable[[Manifest, DatasetFiles], Read]) -> tuple[Manifest, Read]:
    """Return the manifest of a dataset and what is read of its verified files, which belong together.

    Raises:
        ArtifactError, StorageError: as `verify_dataset`, or what `read` raises of files that stay.
    """
    while True:
        # By the file rather than its content, which may have changed twice and be what it was.
        identity = file_identity(folder / MANIFEST_FILE)
        manifest = read_manifest(folder)
        files = None
        try:
            files = verify_dataset(folder, manifest)
            content = read(manifest, files)
        except (ArtifactError, StorageError):
            moved = files is not None and not (files.sequences.is_file() and files.items.is_file())
            if not moved and file_identity(folder / MANIFEST_FILE) == identity:
                raise
            continue
        # A writer changes the manifest before it moves files: unchanged, all that was read belongs together.
        if file_identity(folder / MANIFEST_FILE) == identity:
            return manifest, content


def as_it_is_now(dataset: Dataset) -> Dataset:
    """Return a dataset that was opened before a lock was held, opened again if it has changed since.

    Whoever trains on it then has what `adrec forget` left, which holds that lock while it changes the data.

    Raises:
        ArtifactError: as `open_dataset`.
    """
    return dataset if read_manifest(dataset.folder) == dataset.manifest else find_dataset(dataset.folder)


def _read_content(manifest: Manifest, files: DatasetFiles, shard: Shard) -> Content:
    # Only here, where there is something to read: it loads Polars and PyArrow.
    from adrec_cli.data.sequences import load_items, load_sequences

    items = load_items(files.items)
    if items.height < manifest.statistics["items"]:
        raise ArtifactError(
            f"{files.items.parent / MANIFEST_FILE} is damaged: it says "
            f"{say_count(manifest.statistics['items'], 'item')}, "
            f"{files.items.name} has {items.height:,}",
            hint=advise_repair(files.items.parent),
        )
    timed = manifest.statistics.get("first_time") is not None
    return Content(items=items, sequences=load_sequences(files.sequences, items.height, shard, timed=timed))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model, whole and verified.

    Attributes:
        path, sha256: of the file.
        metadata: of the checkpoint.
        tensors: its weights by name.
    """

    path: Path
    sha256: str
    metadata: CheckpointMetadata
    tensors: Mapping[str, torch.Tensor]


def open_checkpoint(path: Path, dataset: Dataset, *, sha256: str | None = None, once: Once | None = None) -> Checkpoint:
    """Open a checkpoint and refuse it unless it belongs to the dataset.

    Args:
        path: of the checkpoint.
        dataset: it must have been trained on.
        sha256: that its file must have, where that is known.
        once: as `TensorFile.load`, for processes that open the same.

    Raises:
        ArtifactError: missing, damaged, of another format version or of another dataset.
    """
    tensors, metadata, sha256 = load_known_checkpoint(path, sha256=sha256, once=once)
    if metadata.items_sha256 != dataset.manifest.items_sha256:
        raise ArtifactError(
            f"{path} was trained on other items: dataset {metadata.dataset!r} with items {metadata.items_sha256[:12]}, "
            f"here is {dataset.manifest.dataset!r} with items {dataset.manifest.items_sha256[:12]}",
            hint=f"train on this one: {command('train', dataset.manifest.dataset, model=metadata.model)}",
        )
    if not dataset.may_have(metadata.item_count):
        raise ArtifactError(
            f"{path} is damaged: it says {say_count(metadata.item_count, 'item')}, "
            f"its dataset has {dataset.item_count:,}",
            hint=f"train it again: {command('train', dataset.manifest.dataset, model=metadata.model)}",
        )
    return Checkpoint(path=path, sha256=sha256, metadata=metadata, tensors=tensors)


def restore_model(checkpoint: Checkpoint, device: torch.device) -> SequentialRecommender:
    """Build the model a checkpoint describes and give it its weights, strictly; on a CPU it has the very same tensors.

    Raises:
        ArtifactError: its configuration or its tensors are not those of the model it names.
    """
    metadata = checkpoint.metadata
    require_registered(checkpoint.path, metadata)
    try:
        kind = find_model(metadata.model)
        config = build(kind.config_type, metadata.config, where="[model]")
        outline = kind.outline(config, metadata.item_count)
        if metadata.output not in outline.outputs:
            raise ArtifactError(f"it has no output {metadata.output[:40]!r}")
        # Before anything is allocated: a small file may ask for any size.
        require_same_weights(checkpoint.tensors, outline.state_dict())
        model = kind(config, metadata.item_count)
        # Assigned, so that from here on a table of items is there once: the model's fresh one is given up.
        model.load_state_dict(checkpoint.tensors, assign=True)
        model.to(device)
    except (UsageError, ArtifactError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(f"{checkpoint.path} does not fit model {metadata.model!r}: {reason}") from error
    return model


def count_popularity(dataset: Dataset) -> MostPopular:
    """Return the model that recommends everybody what has most train events."""
    import numpy as np
    import torch

    from adrec_cli.models.most_popular import MostPopular

    return MostPopular.from_counts(torch.from_numpy(np.concatenate([[0], dataset.items[COUNT].to_numpy()])))


def require_same_weights(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise unless the same weights of the same shapes and types are there.

    Args:
        found: of a checkpoint.
        expected: of a model, which may be only outlined.

    Raises:
        ArtifactError: naming the first weight that is missing, unknown, or of another shape or type.
    """
    for name in (*expected, *found):
        said, wanted = (_shape(tensors.get(name)) for tensors in (found, expected))
        if said != wanted:
            raise ArtifactError(f"weight {name[:100]!r} is {said}, its configuration makes it {wanted}")


def _shape(tensor: torch.Tensor | None) -> str:
    if tensor is None:
        return "not there"
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def dataset_folder_of(space: Workspace, checkpoint: Path, dataset_name: str | None) -> Path:
    """Return the folder of the named dataset, or of the one the checkpoint lies in."""
    if dataset_name is None and checkpoint.resolve().is_relative_to(space.root.resolve()):
        dataset_name = checkpoint.resolve().relative_to(space.root.resolve()).parts[0]
    return space.dataset_folder(dataset_name)
