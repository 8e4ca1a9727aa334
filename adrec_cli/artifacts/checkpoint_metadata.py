"""The metadata of a checkpoint, checked before anything is computed with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from adrec_cli.artifacts.fitted_on import require_cut
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.tensor_text import damage_error, read_text
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
        former_sequences: sha256 of other sequences that whatever it started from has learned from; [] where it began
            with fresh weights or everything learned from the same, and then not written.
        cut: of the data, as `describe_cut`; {} where an earlier version did not write it down.
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
    former_sequences: list[str] = field(default_factory=list)
    cut: dict[str, Any] = field(default_factory=dict)

    @property
    def all_sequences(self) -> set[str]:
        """Return the sha256 of all sequences that it is known to have learned from, by itself or by what it goes on."""
        return {self.sequences_sha256, *self.former_sequences}


STRINGS = {one.name for one in fields(CheckpointMetadata) if one.type == "str"}


LEFT_OUT = {"content": "{}", "plugins": "{}", "former_sequences": "[]", "cut": "{}"}
"""Fields that are not written where they have this value; checkpoints of before they were there lack them too."""


def read_metadata(path: Path) -> CheckpointMetadata:
    """Read and check what a checkpoint records, without its tensors.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
        StorageError: unreadable.
    """
    return parse_metadata(path, read_text(path))


def parse_metadata(path: Path, text: Mapping[str, str] | None) -> CheckpointMetadata:
    """Return what the text of a checkpoint's header says.

    Raises:
        ArtifactError: it is not that of a checkpoint, damaged, or of another format version.
    """
    text = text or {}
    check_version(path, text)
    try:
        if too_long := [name for name, value in text.items() if len(value) > _MOST_TEXT]:
            raise ValueError(f"{too_long[0][:40]!r} of more than {_MOST_TEXT:,} characters")
        values: dict[str, Any] = {
            one.name: said if one.name in STRINGS else json.loads(said)
            for one in fields(CheckpointMetadata)
            for said in [text[one.name] if one.name in text else LEFT_OUT[one.name]]
        }
        _require_types(values)
        return CheckpointMetadata(**values)
    except (KeyError, ValueError, RecursionError) as error:
        raise damage_error(path, f"metadata {error} missing or unreadable") from error


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
    former = values["former_sequences"]
    if not isinstance(former, list) or not all(isinstance(one, str) for one in former):
        raise ValueError("former_sequences")
    try:
        require_cut(values["cut"])
    except ValueError as error:
        raise ValueError(f"cut ({error})") from error
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


def check_version(path: Path, text: Mapping[str, str]) -> None:
    """Refuse a file of another format version.

    Raises:
        ArtifactError: it is.
    """
    version = text.get("format_version")
    if version is None:
        raise ArtifactError(f"{path} is not a checkpoint of adrec: it has no format_version", hint="check the name")
    refuse_newer(path, version)
    if version != str(FORMAT_VERSION):
        raise ArtifactError(
            f"{path} has format version {version}, this adrec reads {FORMAT_VERSION}", hint="train again"
        )
