"""Checkpoints: safetensors whose metadata say what they are, checked before anything is computed with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from adrec_cli.artifacts.tensor_file import damaged, not_finite_error, open_tensors, write_tensors
from adrec_cli.diagnostics.finite import all_finite
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION

_MOST_TEXT = 2**20
"""Characters of one field of a checkpoint's metadata; parsed JSON takes many times its size."""


@dataclass(frozen=True, kw_only=True)
class CheckpointMetadata:
    """What a checkpoint records.

    Attributes:
        model, stage: registered names.
        output: which of the model's outputs it was trained for and is ranked by.
        config: of the network; training: options of the run and of the stage.
        dataset: name; sequences_sha256 and items_sha256 say which one exactly.
        item_count: V.
        parent_sha256: of the checkpoint it started from, or "".
        run_key: hash of everything the weights depend on; equal keys mean equal work.
        epoch, step: of the weights kept; step counts optimizer steps from the stage's start.
        metrics: validation metrics of the weights kept, by name, and their protocol.
        seed, threads: of the run.
        adrec_version, torch_version: what wrote it.
        content: of the items: "vectors_sha256" and "encoders_sha256"; {} where the model was trained without, and then
            not written.
        plugins: what came from outside, by what it is, such as "model": its name, its plugin and the hash of that code.
    """

    model: str
    stage: str
    output: str
    config: dict[str, Any]
    training: dict[str, Any]
    dataset: str
    sequences_sha256: str
    items_sha256: str
    item_count: int
    parent_sha256: str
    run_key: str
    epoch: int
    step: int
    metrics: dict[str, Any]
    seed: int
    threads: int
    adrec_version: str
    torch_version: str
    format_version: int = FORMAT_VERSION
    content: dict[str, Any] = field(default_factory=dict)
    plugins: dict[str, Any] = field(default_factory=dict)


_STRINGS = {one.name for one in fields(CheckpointMetadata) if one.type == "str"}
_LEFT_OUT = {"content": "{}", "plugins": "{}"}
"""Fields that are not written where they have this value; checkpoints of before they were there lack them too."""


def save_checkpoint(path: Path, tensors: Mapping[str, torch.Tensor], metadata: CheckpointMetadata) -> None:
    """Write a checkpoint atomically; the same tensors and metadata give the same bytes.

    Raises:
        StorageError: the file system refused.
    """
    text = {
        one.name: value if one.name in _STRINGS else json.dumps(value, sort_keys=True)
        for one in fields(metadata)
        for value in [getattr(metadata, one.name)]
        if one.name not in _LEFT_OUT or value
    }
    write_tensors(path, tensors, text)


def read_metadata(path: Path) -> CheckpointMetadata:
    """Read and check what a checkpoint records, without its tensors.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
    """
    with open_tensors(path) as file:
        return _parse(path, file.text)


def load_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], CheckpointMetadata]:
    """Read a checkpoint whole, verifying its content hash and that every weight is finite.

    Raises:
        ArtifactError: missing, damaged, of another format version, or with NaN or infinite weights.
    """
    return load_known_checkpoint(path)[:2]


def load_known_checkpoint(
    path: Path, *, sha256: str | None = None
) -> tuple[dict[str, torch.Tensor], CheckpointMetadata, str]:
    """Read a checkpoint as `load_checkpoint`; return the SHA-256 of its file too.

    Args:
        path: of the checkpoint.
        sha256: that the file must have, where that is known; it is then hashed once.
    """
    with open_tensors(path) as file:
        tensors, found = file.load(sha256=sha256)
        metadata = _parse(path, file.text)
    for name, tensor in tensors.items():
        if not all_finite(tensor):
            raise not_finite_error(path, name)
    return tensors, metadata, found


def verify_checkpoint(path: Path) -> CheckpointMetadata:
    """Check all that `load_checkpoint` does and return what a checkpoint records, with no tensor in memory.

    Raises:
        ArtifactError: as `load_checkpoint`.
    """
    with open_tensors(path) as file:
        metadata = _parse(path, file.text)
        file.verify(finite=True)
    return metadata


def save_state(path: Path, tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> None:
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
    _check_version(path, file.text)
    return tensors, file.text


def verify_state(path: Path) -> dict[str, str]:
    """Check all that `load_state` does and return the text of a state, with no tensor in memory.

    Raises:
        ArtifactError: as `load_state`.
    """
    with open_tensors(path) as file:
        file.verify(finite=False)
    _check_version(path, file.text)
    return file.text


def _parse(path: Path, text: Mapping[str, str] | None) -> CheckpointMetadata:
    text = text or {}
    _check_version(path, text)
    try:
        if too_long := [name for name, value in text.items() if len(value) > _MOST_TEXT]:
            raise ValueError(f"{too_long[0][:40]!r} of more than {_MOST_TEXT:,} characters")
        values: dict[str, Any] = {
            one.name: said if one.name in _STRINGS else json.loads(said)
            for one in fields(CheckpointMetadata)
            for said in [text[one.name] if one.name in text else _LEFT_OUT[one.name]]
        }
        _require_types(values)
        return CheckpointMetadata(**values)
    except (KeyError, ValueError, RecursionError) as error:
        raise damaged(path, f"metadata {error} missing or unreadable") from error


def _require_types(values: Mapping[str, Any]) -> None:
    """Refuse metadata whose checksum is right but which nobody could have written.

    Raises:
        ValueError: naming the field.
    """
    for one in fields(CheckpointMetadata):
        value = values[one.name]
        if one.type == "int" and (type(value) is not int or not 0 <= value < 2**63):
            raise ValueError(f"{one.name} {str(value)[:40]!r}")
        if str(one.type).startswith("dict") and not isinstance(value, dict):
            raise ValueError(one.name)
    if not all(isinstance(told, dict) for told in values["plugins"].values()):
        raise ValueError("plugins")
    _require_metrics(values["metrics"])
    # They become parts of file names.
    for name in ("model", "stage"):
        if not re.fullmatch("[a-z0-9_-]{1,40}", values[name]):
            raise ValueError(f"{name} {values[name][:40]!r}")


def _require_metrics(metrics: Mapping[str, Any]) -> None:
    """Refuse validation metrics by which nothing can be promoted.

    Raises:
        ValueError: naming the field.
    """
    for name in ("protocol", "monitor"):
        if not isinstance(metrics.get(name), str):
            raise ValueError(f"metrics.{name} {str(metrics.get(name))[:40]!r}")
    values = metrics.get("values")
    if not isinstance(values, dict) or not all(type(value) in (int, float) for value in values.values()):
        raise ValueError(f"metrics.values {str(values)[:40]!r}")


def _check_version(path: Path, text: Mapping[str, str]) -> None:
    version = text.get("format_version")
    if version is None:
        raise ArtifactError(f"{path} is not a checkpoint of adrec: it has no format_version", hint="check the name")
    if version != str(FORMAT_VERSION):
        raise ArtifactError(
            f"{path} has format version {version}, this adrec reads {FORMAT_VERSION}", hint="train again"
        )
