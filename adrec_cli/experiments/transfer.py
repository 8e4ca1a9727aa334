"""A model that knows items by their content alone, taken from one catalogue to another."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.checkpoint import load_known_checkpoint
from adrec_cli.artifacts.checkpoint_metadata import CheckpointMetadata, read_metadata
from adrec_cli.artifacts.item_vectors import read_item_vectors_header
from adrec_cli.config import build
from adrec_cli.errors import ArtifactError, UsageError
from adrec_cli.experiments.content import hint_at_encoders
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint, require_same_weights
from adrec_cli.loading.registered import require_registered
from adrec_cli.models.registry import find_model
from adrec_cli.wording import command

if TYPE_CHECKING:
    import torch


def is_transfer(path: Path, dataset: Dataset) -> bool:
    """Return whether a checkpoint is of other items than a data set, and knows them by their content alone.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    metadata = read_metadata(path)
    return metadata.items_sha256 != dataset.manifest.items_sha256 and metadata.config.get("content") == "only"


def open_parent(path: Path, dataset: Dataset) -> Checkpoint:
    """Open the checkpoint that a stage on a data set starts from: of these items, or of others by their content alone.

    Raises:
        ArtifactError: as `open_checkpoint` and `open_for_transfer`.
    """
    return open_for_transfer(path, dataset) if is_transfer(path, dataset) else open_checkpoint(path, dataset)


def open_for_transfer(path: Path, dataset: Dataset) -> Checkpoint:
    """Open such a checkpoint with room for the items of a data set, whose content takes the place of the old ones'.

    Raises:
        ArtifactError: missing, damaged, of a model that is not here or has weights for each item besides their content,
            or the items of the data set were encoded otherwise.
    """
    found, metadata, sha256 = load_known_checkpoint(path)
    require_registered(path, metadata)
    name = dataset.manifest.dataset
    if read_item_vectors_header(dataset.folder).encoders_sha256 != metadata.content.get("encoders_sha256"):
        raise ArtifactError(
            f"{path} was trained with other encoders of items than those of {name!r}",
            hint=hint_at_encoders(metadata, name, metadata.model),
        )
    try:
        tensors = _make_room(found, metadata, dataset.items.height)
    except (UsageError, ArtifactError) as error:
        raise ArtifactError(
            f"{path} cannot go to the items of {name!r}: {error.message}",
            hint=f"train on them: {command('train', name, model=metadata.model)}",
        ) from error
    told = dataclasses.replace(metadata, item_count=dataset.items.height)
    return Checkpoint(path=path, sha256=sha256, metadata=told, tensors=tensors)


def _make_room(
    found: Mapping[str, torch.Tensor], metadata: CheckpointMetadata, item_count: int
) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint with empty content of other items in place of its own.

    Raises:
        UsageError: its configuration cannot be.
        ArtifactError: a weight is not that of its model, or has another shape for this number of items.
    """
    import torch

    model_type = find_model(metadata.model)
    config = build(model_type.config_type, metadata.config, where="[model]")
    require_same_weights(found, model_type.outline(config, metadata.item_count).state_dict())
    outline = model_type.outline(config, item_count)
    expected = outline.state_dict()
    empty = {name: torch.zeros_like(expected[name], device="cpu") for name in outline.content_weights()}
    tensors = {**found, **empty}
    require_same_weights(tensors, expected)
    return tensors
