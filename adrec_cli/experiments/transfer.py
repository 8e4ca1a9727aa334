"""A model that knows items by their content alone, taken from one catalogue to another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from adrec_cli.artifacts.checkpoint import load_known_checkpoint, read_metadata
from adrec_cli.artifacts.item_vectors import read_item_vectors_header
from adrec_cli.config import build
from adrec_cli.errors import ArtifactError
from adrec_cli.loading.opening import Checkpoint, Dataset, open_checkpoint
from adrec_cli.models.registry import find_model
from adrec_cli.wording import command


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
        ArtifactError: missing, damaged, or the items of the data set were encoded otherwise.
    """
    found, metadata, sha256 = load_known_checkpoint(path)
    name = dataset.manifest.dataset
    if read_item_vectors_header(dataset.folder).encoders_sha256 != metadata.content.get("encoders_sha256"):
        raise ArtifactError(
            f"{path} was trained with other encoders of items than those of {name!r}",
            hint=f"encode alike: {command('encode', name, like=metadata.dataset)}",
        )
    model_type = find_model(metadata.model)
    config = build(model_type.config_type, metadata.config, where="[model]")
    expected = model_type.outline(config, dataset.items.height).state_dict()
    tensors = {
        name: weight if weight.shape == expected[name].shape else torch.zeros(expected[name].shape, dtype=weight.dtype)
        for name, weight in found.items()
        if name in expected
    }
    told = dataclasses.replace(metadata, item_count=dataset.items.height)
    return Checkpoint(path=path, sha256=sha256, metadata=told, tensors=tensors)
