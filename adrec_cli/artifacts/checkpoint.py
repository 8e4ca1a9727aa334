"""Checkpoints: safetensors whose metadata say what they are, checked before anything is computed with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.checkpoint_metadata import LEFT_OUT, STRINGS, CheckpointMetadata, check_version, parse_metadata
from adrec_cli.artifacts.tensor_file import Once, Pieces, StoredTensors, not_finite_error, open_tensors, write_tensors
from adrec_cli.schema import FORMAT_VERSION

if TYPE_CHECKING:
    import torch


def save_checkpoint(path: Path, tensors: Mapping[str, torch.Tensor | Pieces], metadata: CheckpointMetadata) -> None:
    """Write a checkpoint atomically; the same tensors and metadata give the same bytes.

    Raises:
        StorageError: the file system refused.
    """
    text = {
        one.name: value if one.name in STRINGS else json.dumps(value, sort_keys=True)
        for one in fields(metadata)
        for value in [getattr(metadata, one.name)]
        if one.name not in LEFT_OUT or value
    }
    write_tensors(path, tensors, text)


def load_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], CheckpointMetadata]:
    """Read a checkpoint whole, verifying its content hash and that every weight is finite.

    Raises:
        ArtifactError: missing, damaged, of another format version, or with NaN or infinite weights.
    """
    tensors, metadata, _ = load_known_checkpoint(path)
    return dict(tensors), metadata


def load_known_checkpoint(
    path: Path, *, sha256: str | None = None, once: Once | None = None
) -> tuple[StoredTensors, CheckpointMetadata, str]:
    """Read a checkpoint as `load_checkpoint`, without making tensors of it yet; return the SHA-256 of its file too.

    Args:
        path: of the checkpoint.
        sha256: that the file must have, where that is known; it is then hashed once.
        once: as `TensorFile.load`.
    """
    with open_tensors(path) as file:
        tensors, found = file.load(sha256=sha256, once=once)
        metadata = parse_metadata(path, file.text)
    for name in tensors.not_finite():
        raise not_finite_error(path, name)
    return tensors, metadata, found


def verify_checkpoint(path: Path) -> CheckpointMetadata:
    """Check all that `load_checkpoint` does and return what a checkpoint records, with no tensor in memory.

    Raises:
        ArtifactError: as `load_checkpoint`.
    """
    with open_tensors(path) as file:
        metadata = parse_metadata(path, file.text)
        file.verify(finite=True)
    return metadata


def save_state(path: Path, tensors: Mapping[str, torch.Tensor | Pieces], text: Mapping[str, str]) -> None:
    """Write what only resuming needs, atomically.

    Raises:
        StorageError: the file system refused.
    """
    write_tensors(path, tensors, {"format_version": str(FORMAT_VERSION), **text})


def load_state(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read what `save_state` wrote.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
    """
    with open_tensors(path) as file:
        tensors, _ = file.load()
    check_version(path, file.text)
    return dict(tensors), file.text


def verify_state(path: Path) -> dict[str, str]:
    """Check all that `load_state` does and return the text of a state, with no tensor in memory.

    Raises:
        ArtifactError: as `load_state`.
    """
    with open_tensors(path) as file:
        file.verify(finite=False)
    check_version(path, file.text)
    return file.text
