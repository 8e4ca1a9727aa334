"""An index for approximate search beside a promoted model: numbers alone, with the hash of the model they are of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adrec_cli.artifacts.promotion import index_beside
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.artifacts.tensor_text import read_text
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION

_KIND = "item index"
_CENTROIDS, _CODES = "centroids", "codes"

Codes = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]
"""Item vectors in four bits an entry: centroids_DC, 16 values of each dimension, and codes_VN, two entries a byte."""


@dataclass(frozen=True, kw_only=True)
class IndexRecord:
    """What an index is of, and how good it was when it was built.

    Attributes:
        checkpoint_sha256: of the model whose item vectors it holds.
        items, width: V and D of these vectors.
        recall: share of the exact best 100 of `queries` histories that were among the `pool` it found.
        queries: real histories it was measured with.
        pool: items it finds for a list of 100; 0 where no pool was large enough, so that there is no index.
    """

    checkpoint_sha256: str
    items: int
    width: int
    recall: float
    queries: int
    pool: int


def write_item_index(path: Path, record: IndexRecord, codes: Codes | None) -> None:
    """Write an index, or that there is none, atomically.

    Raises:
        StorageError: the file system refused.
    """
    import torch

    tensors: dict[str, torch.Tensor] = {}
    if codes is not None:
        named = zip((_CENTROIDS, _CODES), codes, strict=True)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in named}
    said = {one.name: str(getattr(record, one.name)) for one in fields(record)}
    write_tensors(path, tensors, {"format_version": str(FORMAT_VERSION), "kind": _KIND, **said})


def read_index_record(path: Path, checkpoint_sha256: str) -> IndexRecord | None:
    """Return what an index records; None where there is none, or it is of another model.

    Raises:
        ArtifactError: damaged.
        StorageError: unreadable.
    """
    try:
        record = _parse(path, read_text(path))
    except ArtifactError:
        if path.is_file():
            raise
        return None
    return record if record.checkpoint_sha256 == checkpoint_sha256 else None


def read_item_index(path: Path) -> tuple[IndexRecord, Codes | None]:
    """Read an index whole, verifying its content hash; None where it records that there is none.

    Raises:
        ArtifactError: missing, damaged, or not of the size it says.
        StorageError: unreadable.
    """
    with open_tensors(path) as file:
        tensors, _ = file.load()
        record = _parse(path, file.text)
    if not record.pool:
        return record, None
    shapes = {_CENTROIDS: (record.width, 16), _CODES: (record.items, (record.width + 1) // 2)}
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
        raise _damage_error(path, "it is not as large as it says")
    centroids, codes = (tensors[name].numpy() for name in (_CENTROIDS, _CODES))
    if centroids.dtype != np.float32 or codes.dtype != np.uint8 or not np.isfinite(centroids).all():
        raise _damage_error(path, "its numbers are none of an index")
    return record, (centroids, codes)


def read_index_of(checkpoint: Path, sha256: str) -> tuple[IndexRecord, Codes] | None:
    """Read the index beside a promoted checkpoint; None where there is none, or it records that none is good enough.

    Args:
        checkpoint: the promoted copy.
        sha256: of it.

    Raises:
        ArtifactError: damaged, or of another model.
        StorageError: unreadable.
    """
    path = index_beside(checkpoint)
    try:
        record, codes = read_item_index(path)
    except ArtifactError:
        if path.is_file():
            raise
        return None
    if record.checkpoint_sha256 != sha256:
        raise _damage_error(path, f"it is of another model than {checkpoint.name}")
    return None if codes is None else (record, codes)


def _parse(path: Path, text: dict[str, str]) -> IndexRecord:
    try:
        if text["kind"] != _KIND or text["format_version"] != str(FORMAT_VERSION):
            raise ValueError("it is no index of items, or one of another version of adrec")
        counts = {name: int(text[name]) for name in ("items", "width", "queries", "pool")}
        record = IndexRecord(checkpoint_sha256=text["checkpoint_sha256"], recall=float(text["recall"]), **counts)
        if min(counts.values()) < 0 or not 0 <= record.recall <= 1:
            raise ValueError("its counts cannot be")
    except (KeyError, ValueError) as error:
        raise _damage_error(path, str(error)) from error
    return record


def _damage_error(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(f"{path} is damaged: {reason}", hint="remove it; answers are exact without it")
