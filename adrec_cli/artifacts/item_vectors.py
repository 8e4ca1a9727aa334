"""`items.vectors.safetensors`: what is known of a data set's items, as vectors, with the encoders that made them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from adrec_cli.artifacts.encode_again import encode_again
from adrec_cli.artifacts.fitted_on import FittedOn
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.tensor_file import open_tensors, write_tensors
from adrec_cli.errors import AdrecError, ArtifactError
from adrec_cli.schema import FORMAT_VERSION, ITEM_VECTORS_FILE
from adrec_cli.wording import command

if TYPE_CHECKING:
    import torch

_VECTORS: Final = "vectors"
_MOST_TEXT: Final = 2**20
_MOST_ENCODERS: Final = 64
_TEXTS: Final = (
    "format_version", "kind", "dataset", "ids_sha256", "encoders", "encoders_sha256", "vectors_sha256",
    "items_sha256", "files",
)  # fmt: skip
_SEQUENCES: Final = "sequences_sha256"
"""In files alone whose encoders read train events."""
_FITTED_ON: Final = "fitted_on"
"""In those of them that were written since it is recorded."""
_WIDTH: Final = "width"
"""In files that were written since it is recorded."""
_OPTIONAL: Final = {_SEQUENCES, _FITTED_ON, _WIDTH}
_KIND: Final = "item vectors"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """An encoder as it is written down.

    Attributes:
        name: of the encoder.
        columns: that it reads.
        width: entries of the vector that are its own.
        arrays: what it has learnt.
    """

    name: str
    columns: tuple[str, ...]
    width: int
    arrays: Arrays


@dataclass(frozen=True, kw_only=True)
class VectorsFile:
    """A file of vectors as it was when items were encoded with it.

    Attributes:
        path: where it was.
        sha256: of the file; "" where that was not written down.
        ids_sha256: of the file of its ids beside it; "" where there was none.
    """

    path: str
    sha256: str = ""
    ids_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemVectors:
    """The content of a data set's items.

    Attributes:
        dataset: its name.
        ids_sha256: of the ids of its items in their order, as `ids_sha256`.
        items_sha256: of the `items.parquet` they were made from.
        files: of vectors, by their names.
        sequences_sha256: of the `sequences.parquet` whose train events an encoder read; "" where none did.
        fitted_on: what encoders of train events were fitted on; None where there are none, or it was not written down.
        asked_width: of each encoder at most; None where that was not written down.
        encoders: one beside the other.
        vectors_VC: float16, one row per item from index 1 on; no row for padding.
    """

    dataset: str
    ids_sha256: str
    items_sha256: str
    files: Mapping[str, VectorsFile]
    sequences_sha256: str = ""
    fitted_on: FittedOn | None = None
    asked_width: int | None = None
    encoders: tuple[EncoderRecord, ...]
    vectors_VC: npt.NDArray[np.float16]

    @property
    def encoders_sha256(self) -> str:
        """Hash of everything that turns columns into vectors: vectors of equal hashes lie in one space."""
        return _encoders_sha256(self.encoders)

    @property
    def vectors_sha256(self) -> str:
        """Hash of the vectors alone."""
        return hashlib.sha256(np.ascontiguousarray(self.vectors_VC).data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ItemVectorsHeader:
    """What a file of item vectors records.

    Attributes:
        ids_sha256, items_sha256, encoders_sha256, vectors_sha256, files, sequences_sha256, fitted_on: as of
            `ItemVectors`.
        width: entries of a vector.
        again: the command that fits the same encoders to the data set as it is now.
    """

    ids_sha256: str
    items_sha256: str
    encoders_sha256: str
    vectors_sha256: str
    files: Mapping[str, VectorsFile]
    sequences_sha256: str
    fitted_on: FittedOn | None
    width: int
    again: str


def ids_sha256(item_ids: Iterable[str]) -> str:
    """Return a hash of raw item ids in their order."""
    digest = hashlib.sha256()
    for item_id in item_ids:
        encoded = item_id.encode()
        digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def write_item_vectors(folder: Path, vectors: ItemVectors) -> Path:
    """Write the vectors of a data set's items into its folder, whose lock the caller holds; return where.

    Raises:
        StorageError: the file system refused.
    """
    import torch

    path = folder / ITEM_VECTORS_FILE
    tensors = {_VECTORS: torch.from_numpy(np.ascontiguousarray(vectors.vectors_VC))}
    for number, encoder in enumerate(vectors.encoders):
        for name, array in encoder.arrays.items():
            tensors[f"{number}.{name}"] = torch.from_numpy(np.ascontiguousarray(array))
    text = {
        "format_version": str(FORMAT_VERSION),
        "kind": _KIND,
        "dataset": vectors.dataset,
        "ids_sha256": vectors.ids_sha256,
        "encoders": json.dumps([_describe(encoder) for encoder in vectors.encoders]),
        "encoders_sha256": vectors.encoders_sha256,
        "vectors_sha256": vectors.vectors_sha256,
        "items_sha256": vectors.items_sha256,
        "files": json.dumps({name: asdict(file) for name, file in vectors.files.items()}, sort_keys=True),
    }
    if vectors.sequences_sha256:
        text[_SEQUENCES] = vectors.sequences_sha256
    if vectors.fitted_on is not None:
        text[_FITTED_ON] = vectors.fitted_on.to_text()
    if vectors.asked_width is not None:
        text[_WIDTH] = str(vectors.asked_width)
    write_tensors(path, tensors, text)
    return path


def read_item_vectors(folder: Path) -> ItemVectors:
    """Read the vectors of a data set's items and check that they are what they say.

    Raises:
        ArtifactError: missing, damaged, of another format, or with values that nobody can have written.
        StorageError: unreadable.
    """
    path = folder / ITEM_VECTORS_FILE
    again = f"make it with: {find_command(folder)}"
    try:
        with open_tensors(path) as file:
            tensors, _ = file.load()
            text = file.text
    except ArtifactError as error:
        raise ArtifactError(error.message, hint=again) from error
    refuse_newer(path, text.get("format_version"))
    try:
        vectors = _parse(tensors, text)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=again) from error
    return vectors


def read_item_vectors_header(folder: Path) -> ItemVectorsHeader:
    """Read what a file of item vectors records; the vectors are not looked at.

    Raises:
        ArtifactError: missing, damaged, or of another format.
        StorageError: unreadable.
    """
    path = folder / ITEM_VECTORS_FILE
    again = f"make it with: {find_command(folder)}"
    try:
        with open_tensors(path) as file:
            text, shape = file.text, file.stored[_VECTORS].shape
    except ArtifactError as error:
        raise ArtifactError(error.message, hint=again) from error
    refuse_newer(path, text.get("format_version"))
    try:
        _check_text(text)
        return ItemVectorsHeader(
            ids_sha256=text["ids_sha256"],
            items_sha256=text["items_sha256"],
            encoders_sha256=text["encoders_sha256"],
            vectors_sha256=text["vectors_sha256"],
            files=_files(text["files"]),
            sequences_sha256=text.get(_SEQUENCES, ""),
            fitted_on=_parse_fitted_on(text),
            width=shape[1],
            again=_again(folder.name, text),
        )
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint=again) from error


def find_command(folder: Path) -> str:
    """Return the command that makes a data set's item vectors once more, as they were asked for if that can be read."""
    try:
        with open_tensors(folder / ITEM_VECTORS_FILE) as file:
            _check_text(file.text)
            return _again(folder.name, file.text)
    except (AdrecError, LookupError, TypeError, ValueError, RecursionError):
        return command("encode", folder.name)


def _again(dataset: str, text: Mapping[str, str]) -> str:
    """Return the command that fits the same encoders once more.

    Raises:
        LookupError, TypeError, ValueError: nobody could have written the text.
    """
    encoders = [(one["name"], one["columns"], one["width"]) for one in json.loads(text["encoders"])]
    return encode_again(dataset, encoders, [file.path for file in _files(text["files"]).values()], _parse_width(text))


def _check_text(text: Mapping[str, str]) -> None:
    """Raise unless a file says what one of item vectors does.

    Raises:
        ValueError: saying what is wrong.
    """
    if set(text) - _OPTIONAL != set(_TEXTS) or text["kind"] != _KIND:
        raise ValueError("it holds no vectors of items")
    if text["format_version"] != str(FORMAT_VERSION):
        raise ValueError(f"format version {text['format_version'][:20]!r}, this adrec reads {FORMAT_VERSION}")
    if any(len(value) > _MOST_TEXT for value in text.values()):
        raise ValueError(f"a text of more than {_MOST_TEXT:,} characters")
    for name in text:
        if name.endswith("_sha256") and not re.fullmatch("[0-9a-f]{64}", text[name]):
            raise ValueError(f"{name} is not a SHA-256")


def _parse(tensors: Mapping[str, torch.Tensor], text: Mapping[str, str]) -> ItemVectors:
    """Return what a file says, whose checksum is right.

    Raises:
        KeyError, TypeError, ValueError: nobody could have written it.
    """
    _check_text(text)
    described = json.loads(text["encoders"])
    if not isinstance(described, list) or not 0 < len(described) <= _MOST_ENCODERS:
        raise ValueError("encoders are no list")
    encoders = tuple(_encoder(number, one, tensors) for number, one in enumerate(described))
    vectors = ItemVectors(
        dataset=text["dataset"],
        ids_sha256=text["ids_sha256"],
        items_sha256=text["items_sha256"],
        files=_files(text["files"]),
        sequences_sha256=text.get(_SEQUENCES, ""),
        fitted_on=_parse_fitted_on(text),
        asked_width=_parse_width(text),
        encoders=encoders,
        vectors_VC=_check_vectors(tensors[_VECTORS], sum(encoder.width for encoder in encoders)),
    )
    if (vectors.encoders_sha256, vectors.vectors_sha256) != (text["encoders_sha256"], text["vectors_sha256"]):
        raise ValueError("encoders or vectors are not those of its own checksums")
    return vectors


def _parse_fitted_on(text: Mapping[str, str]) -> FittedOn | None:
    return FittedOn.from_text(text[_FITTED_ON]) if _FITTED_ON in text else None


def _parse_width(text: Mapping[str, str]) -> int | None:
    return int(text[_WIDTH]) if _WIDTH in text else None


def _files(text: str) -> dict[str, VectorsFile]:
    described = json.loads(text)
    if not isinstance(described, dict):
        raise ValueError("files are not named")
    # adrec 0.2.0 wrote a path alone.
    files = {
        name: VectorsFile(path=one) if isinstance(one, str) else VectorsFile(**one) for name, one in described.items()
    }
    for file in files.values():
        if not all(isinstance(value, str) for value in (file.path, file.sha256, file.ids_sha256)):
            raise ValueError("files are not described")
        if not all(re.fullmatch("([0-9a-f]{64})?", value) for value in (file.sha256, file.ids_sha256)):
            raise ValueError("the hash of a file is not a SHA-256")
    return files


def _encoder(number: int, described: Any, tensors: Mapping[str, torch.Tensor]) -> EncoderRecord:
    if not isinstance(described, dict) or set(described) != {"name", "columns", "width"}:
        raise ValueError(f"encoder {number} is not described")
    name, columns, width = described["name"], described["columns"], described["width"]
    if not isinstance(name, str) or not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        raise ValueError(f"encoder {number} is not described")
    if type(width) is not int or width < 1:
        raise ValueError(f"encoder {number} has width {str(width)[:20]}")
    prefix = f"{number}."
    arrays = {key.removeprefix(prefix): tensors[key].numpy() for key in sorted(tensors) if key.startswith(prefix)}
    return EncoderRecord(name=name, columns=tuple(columns), width=width, arrays=arrays)


def _check_vectors(vectors: torch.Tensor, width: int) -> npt.NDArray[np.float16]:
    import torch

    if vectors.dtype != torch.float16 or vectors.dim() != 2 or vectors.shape[1] != width:
        raise ValueError(f"vectors are {vectors.dtype} {tuple(vectors.shape)}, expected float16 of width {width}")
    array: npt.NDArray[np.float16] = vectors.numpy()
    # Blocks have length 1, so that whatever lies beyond, NaN included, was not made here.
    if not (np.abs(array) <= 1.0).all():
        raise ValueError("vectors have values beyond 1, or that are no numbers")
    return array


def _describe(encoder: EncoderRecord) -> dict[str, Any]:
    return {"name": encoder.name, "columns": encoder.columns, "width": encoder.width}


def _encoders_sha256(encoders: Iterable[EncoderRecord]) -> str:
    digest = hashlib.sha256()
    for encoder in encoders:
        digest.update(json.dumps([encoder.name, encoder.columns, encoder.width]).encode())
        for name, array in sorted(encoder.arrays.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
